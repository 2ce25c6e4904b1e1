// What is written lies on the server while it is written: saved a moment after each change, held by one, seen live by the others.
import { acting, csrf } from "./actions.js";

const SAVE_AFTER = 700;
const TRY_AGAIN = 5000;

export async function call(method, path, body, headers = {}) {
  const sent = body && JSON.stringify({ agent: acting() || undefined, ...body });
  try {
    // keepalive: what is saved while the page is left still arrives; browsers allow it up to 64 KiB.
    const answer = await fetch(path, { method, headers: { "Content-Type": "application/json", ...csrf(), ...headers }, body: sent, keepalive: ["PUT", "DELETE"].includes(method) && (sent ?? "").length < 30_000 });
    const said = answer.status === 204 ? {} : await answer.json();
    return { ok: answer.ok, status: answer.status, said };
  } catch {
    return { ok: false, status: 0, said: {} };
  }
}

function kept(place) {
  try { return JSON.parse(sessionStorage.getItem(place)); } catch { return null; }
}

// One draft at `base`. `told(draft, state)`: state is "saving", "saved", "locked", "offline", "refused" or "changed".
// `absent`: what is read where the desk has none (404).
export class Draft {
  constructor({ base, place, query = {}, absent = null }, told) {
    this.place = `postroom.unsaved.${place}`; // until the desk has it, it is kept in this tab
    this.unsaved = kept(this.place); // by the page before: {number (of the draft that it was a change of), content, files}, or null
    this.base = base;
    this.query = `?${new URLSearchParams({ ...query, ...(acting() ? { agent: acting() } : {}) })}`;
    this.absent = absent;
    this.told = told;
    this.number = 0;
    this.id = "";
    this.waiting = null;
    this.saving = Promise.resolve(true);
    this.saves = 0; // begun and ended: a text that was read between two of them says less than is known
    this.dirty = false;
    this.busy = false;
    this.failed = false;
    this.stored = false;
    this.fine = true; // of the last save
    this.tries = this.unsaved ? [this.unsaved.content.text] : []; // texts that may have arrived though no answer did
  }

  // Whether what is on the page is on the desk: "" (nothing was changed), "saving", "saved" or "unsaved".
  get state() {
    if (this.dirty || this.busy) return this.failed ? "unsaved" : "saving";
    return this.stored ? "saved" : "";
  }

  // Ask what there is; until `take` has it nothing is saved, because it could be over a text that nobody has seen.
  load(take) {
    this.saving = this.read().then((draft) => { take(draft); return true; });
    return this.saving;
  }

  async read() {
    for (;;) {
      const before = this.saves;
      const { ok, status, said } = await call("GET", this.base + this.query);
      const draft = ok ? said : status === 404 ? this.absent : null;
      if (before === this.saves) { if (draft) this.#is(draft); return draft; }
      if (this.busy) await this.saving.catch(() => {});
    }
  }

  #is(draft) {
    this.number = draft.number;
    this.id = draft.id;
  }

  forget() {
    this.unsaved = null;
    sessionStorage.removeItem(this.place);
  }

  #keep(content) {
    const { files, ...fields } = content;
    try { sessionStorage.setItem(this.place, JSON.stringify({ number: this.number, content: fields, files })); } catch { /* no room: it is in the page */ }
  }

  // Save soon; `content` gives what to save when the time has come.
  later(content) {
    this.dirty = true;
    this.content = content;
    this.#keep(content());
    this.#wait(SAVE_AFTER);
  }

  #wait(milliseconds) {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.flush(), milliseconds);
  }

  // Leave what is not saved in this tab, where it is offered when one comes back.
  keepHere() {
    clearTimeout(this.waiting);
    this.dirty = false;
  }

  // Save now what is not saved; true when everything is on the server.
  flush() {
    clearTimeout(this.waiting);
    this.saving = this.saving.catch(() => false).then(() => this.#save());
    return this.saving;
  }

  async #save() {
    if (!this.dirty) return this.fine;
    const { files: _, ...fields } = this.content();
    this.dirty = false;
    this.busy = true;
    this.saves += 1;
    this.told(null, "saving");
    const { ok, status, said } = await call("PUT", this.base + this.query, fields, { "X-Draft-Match": `"${this.number}"` });
    this.busy = false;
    this.saves += 1;
    if (ok) return this.#saved(said);
    if (status === 412) return this.#changed(fields.text);
    if (status === 0) this.tries.push(fields.text);
    this.#failed();
    if (status === 0 || status === 409 || status === 429 || status >= 500) this.#wait(TRY_AGAIN);
    this.told(said, status === 409 ? "locked" : status === 0 || status >= 500 ? "offline" : "refused");
    return false;
  }

  #failed() {
    this.dirty = this.failed = true;
    this.fine = false;
  }

  #saved(draft) {
    this.#is(draft);
    this.failed = false;
    this.stored = this.fine = true;
    this.tries = [];
    if (this.dirty) this.#keep(this.content()); // somebody typed on while it was being saved
    else this.forget();
    this.told(draft, "saved");
    return true;
  }

  // It was changed since it was read: by what this page, or the one before it, had saved without hearing of it, or by others.
  async #changed(text) {
    const there = await this.read();
    if (!there) {
      this.#failed();
      this.#wait(TRY_AGAIN);
      this.told(null, "offline");
      return false;
    }
    if (there.saved_by === acting() && [...this.tries, text].includes(there.text)) {
      this.dirty = true;
      return this.#save();
    }
    this.keepHere(); // what was typed meanwhile as well
    this.failed = this.fine = false;
    this.told(there, "changed");
    return false;
  }

  // The desk has another text now, which is shown: a version that was put back.
  took(draft) {
    clearTimeout(this.waiting);
    this.dirty = this.failed = false;
    this.#is(draft);
    this.stored = this.fine = true;
    this.forget();
  }

  // Nothing is left of it, here and on the desk: it was sent.
  sent() {
    clearTimeout(this.waiting);
    this.dirty = this.failed = this.stored = false;
    this.fine = true;
    this.number = 0;
    this.id = "";
    this.tries = [];
    this.forget();
  }

  async handOver(to) { return call("POST", `${this.base}/hand-over${this.query}`, { to }); }

  async take(over) { return call("POST", `${this.base}/lease${this.query}`, { take_over: over }); }

  async versions() { return call("GET", `${this.base}/versions${this.query}`); }

  // Put an earlier version back: {ok, said}, the draft as it then is.
  async restore(number) {
    const answer = await call("POST", `${this.base}/versions/${number}/restore${this.query}`, {});
    if (answer.ok) this.took(answer.said);
    return answer;
  }

  async drop() {
    this.stop();
    clearTimeout(this.waiting);
    this.dirty = false;
    await this.saving.catch(() => {});
    const { ok, said } = await call("DELETE", this.base + this.query);
    if (ok) this.sent();
    return { ok, said };
  }

  // Follow what somebody else writes, until they stop or it is taken over. `shown(draft, fresh)`; fresh: another text than is known.
  follow(shown) {
    if (this.stream) return;
    this.stream = new EventSource(`${this.base}/live${this.query}`);
    this.stream.addEventListener("draft", async (event) => {
      let draft = JSON.parse(event.data);
      const before = [this.id, this.number];
      if (this.dirty || this.busy) return; // what is written here is newer
      // An older one, or another: late, or this one is gone. The desk knows.
      if (draft.number && draft.id === this.id && draft.number >= this.number) this.#is(draft);
      else if (draft.number || this.number) draft = await this.read();
      if (draft && !this.dirty && !this.busy) shown(draft, draft.number !== before[1] || (draft.number > 0 && draft.id !== before[0]));
    });
  }

  stop() {
    this.stream?.close();
    this.stream = null;
  }
}
