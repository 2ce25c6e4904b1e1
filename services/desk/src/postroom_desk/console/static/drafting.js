// What is written lies on the server while it is written: saved a moment after each change, held by one, seen live by the others.
import { acting, csrf } from "./actions.js";

const SAVE_AFTER = 700;

export async function call(method, path, body, headers = {}) {
  const sent = body && JSON.stringify({ agent: acting() || undefined, ...body });
  try {
    // keepalive: what is saved while the page is left still arrives; browsers allow it up to 64 KiB.
    const answer = await fetch(path, { method, headers: { "Content-Type": "application/json", ...csrf(), ...headers }, body: sent, keepalive: method === "PUT" && sent.length < 30_000 });
    const said = answer.status === 204 ? {} : await answer.json();
    return { ok: answer.ok, status: answer.status, said };
  } catch {
    return { ok: false, status: 0, said: {} };
  }
}

function kept(place) {
  try { return JSON.parse(sessionStorage.getItem(place)); } catch { return null; }
}

// One draft of one conversation. `told(draft, state)`: state is "saved", "saving", "locked", "offline" or "changed".
export class Draft {
  constructor(id, kind, told) {
    this.place = `postroom.unsaved.${id}.${kind}`; // until the desk has it, it is kept in this tab
    this.unsaved = kept(this.place); // by the page before: {number (of the draft that it was a change of), content, files}, or null
    this.base = `/api/v1/conversations/${id}/draft`;
    this.query = `?kind=${kind}`;
    this.told = told;
    this.number = 0;
    this.id = "";
    this.waiting = null;
    this.saving = Promise.resolve(true);
    this.dirty = false;
  }

  async read() {
    const { ok, said } = await call("GET", this.base + this.query);
    if (ok) this.#is(said);
    return ok ? said : null;
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
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.flush(), SAVE_AFTER);
  }

  // Save now what is not saved; true when everything is on the server.
  flush() {
    clearTimeout(this.waiting);
    this.saving = this.saving.then(() => this.#save());
    return this.saving;
  }

  async #save() {
    if (!this.dirty) return true;
    this.dirty = false;
    this.told(null, "saving");
    const { files: _, ...fields } = this.content();
    const { ok, status, said } = await call("PUT", this.base + this.query, fields, { "X-Draft-Match": `"${this.number}"` });
    if (ok) {
      this.#is(said);
      if (this.dirty) this.#keep(this.content());
      else this.forget();
      this.told(said, "saved");
      return true;
    }
    this.dirty = true;
    if (status === 412) { this.dirty = false; this.told(await this.read(), "changed"); }
    else this.told(said, status === 409 ? "locked" : "offline");
    if (status === 0 || status >= 500) this.waiting = setTimeout(() => this.flush(), 5000);
    return false;
  }

  // Nothing is left of it, here and on the desk: it was sent.
  sent() {
    clearTimeout(this.waiting);
    this.dirty = false;
    this.number = 0;
    this.id = "";
    this.forget();
  }

  async handOver(to) { return call("POST", `${this.base}/hand-over${this.query}`, { to }); }

  async take(over) { return call("POST", `${this.base}/lease${this.query}`, { take_over: over }); }

  async drop() {
    this.stop();
    clearTimeout(this.waiting);
    this.dirty = false;
    await this.saving;
    const { ok, said } = await call("DELETE", `${this.base}${this.query}${acting() ? `&agent=${encodeURIComponent(acting())}` : ""}`);
    if (ok) this.sent();
    return { ok, said };
  }

  // Follow what somebody else writes, until they stop or it is taken over.
  follow(shown) {
    if (this.stream) return;
    this.stream = new EventSource(`${this.base}/live${this.query}`);
    this.stream.addEventListener("draft", (event) => {
      const draft = JSON.parse(event.data);
      this.#is(draft);
      shown(draft);
    });
  }

  stop() {
    this.stream?.close();
    this.stream = null;
  }
}
