// The composer: reply, forward and note. It tells who writes that somebody else did, instead of letting it go out over an unread
// message; what is written is never lost, because it lies on the server as the conversation's draft.
import { act, acting, actingName, busy, csrf, newKey, say, someoneActs } from "./actions.js";
import { call, Draft } from "./drafting.js";
import { Editor } from "./editor.js";
import { t } from "./texts.js";

const UNDO_SECONDS = 10;
const head = () => document.getElementById("head");
const form = () => document.getElementById("composer");
const by = (id) => document.getElementById(id);
const look = () => ({ etag: head().dataset.etag, incoming: head().dataset.incoming });

let now = null; // of the composer on the page: conversation, editor, draft, files, seen (etag, incoming), key, message, suggested

// Called when a conversation has been put on the page: once for each composer.
export function startComposer() {
  const composer = form();
  if (!composer || composer.dataset.started) return;
  composer.dataset.started = "true";
  now?.draft.stop();
  const id = composer.closest("[data-id]").dataset.id;
  now = { id, composer, files: [], seen: null, key: null, message: null, suggested: null, locked: false };
  now.draft = new Draft(id, "reply", onDraft);
  now.editor = new Editor(by("text"), { changed, bring, find: findSaved });
  for (const button of composer.querySelectorAll("[data-format]")) {
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => now.editor.format(button.dataset.format));
  }
  by("attach").addEventListener("change", (event) => { bring([...event.target.files], false); event.target.value = ""; });
  by("saved-open").addEventListener("click", () => (by("saved-replies").hidden ? now.editor.open("") : now.editor.close()));
  by("written-seen").addEventListener("click", () => { now.seen = look(); changed(); onRefreshed(); by("text").focus(); });
  by("take-over").addEventListener("click", takeOver);
  by("send-later").addEventListener("click", () => send(by("send-later"), "", by("send-at").value));
  by("recipients").addEventListener("input", () => { now.named = true; showRecipients(); changed(); });
  composer.addEventListener("change", (event) => { if (event.target.name === "mode") chosen(); });
  composer.addEventListener("submit", (event) => { event.preventDefault(); send(event.submitter, event.submitter?.value ?? ""); });
  by("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); composer.requestSubmit(composer.querySelector(".primary")); }
  });
  if (composer.dataset.sends === "false") composer.querySelector('[value="reply"]').closest("label").hidden = true;
  if (composer.dataset.sends === "false") composer.elements.mode.value = "note";
  load();
  showMode();
  showAs();
}

const mode = () => now.composer.elements.mode.value;
const keptNote = () => `postroom.note.${now.id}`; // a note is one's own until it is added: it stays in this tab
const isNote = () => mode() === "note";

async function load() {
  const mine = now;
  const draft = await mine.draft.read();
  if (mine !== now || !draft) return;
  if (draft.number && now.editor.isEmpty) show(draft);
  const kept = sessionStorage.getItem(keptNote());
  if (kept && now.editor.isEmpty) {
    now.composer.elements.mode.value = "note";
    now.editor.set(kept, "");
    now.seen = look();
    showMode();
  }
  suggest();
}

// Put a draft of the server's on the page.
function show(draft) {
  if (now.composer.dataset.sends === "true") now.composer.elements.mode.value = draft.mode;
  now.message = draft.message_id;
  now.files = draft.attachments.map((f) => ({ ...f, done: true }));
  now.editor.set(draft.html, draft.text, draft.attachments);
  now.named = draft.to.length + draft.cc.length + draft.bcc.length > 0;
  for (const field of ["to", "cc", "bcc"]) now.composer.elements[field].value = people(draft[field]);
  if (!now.editor.isEmpty) now.seen ??= { etag: draft.seen || look().etag, incoming: draft.seen && draft.seen !== look().etag ? null : look().incoming };
  held(draft);
  showFiles();
  showMode();
  onRefreshed();
}

function held(draft) {
  const other = draft.holder && draft.holder !== acting() && draft.held_until ? draft.holder_name : "";
  now.locked = Boolean(other);
  by("locked").hidden = !other;
  by("locked-by").textContent = other ? t("composer.js.editing", { name: other }) : "";
  by("text").contentEditable = other ? "false" : "true";
  const waits = draft.state === "awaiting_approval";
  by("awaits").hidden = !waits;
  if (waits) by("awaits-whom").textContent = t("composer.js.awaits");
  if (other) now.draft.follow((live) => { if (now.locked) show(live); });
  else now.draft.stop();
}

async function takeOver() {
  const { ok, said } = await now.draft.take(true);
  if (!ok) { say(said.detail ?? t("frame.js.failed"), { bad: true }); return; }
  now.draft.stop();
  show(said);
  by("text").focus();
}

function onDraft(draft, state) {
  by("draft-state").textContent = { saving: "", saved: t("composer.js.saved"), offline: t("composer.js.not_saved"), locked: "", changed: "" }[state];
  if (state === "locked") held({ holder: draft.holder, holder_name: draft.holder_name ?? "", held_until: true, state: "open" });
  if (state === "changed" && draft) { say(t("composer.js.changed"), { bad: true }); show(draft); }
}

function changed() {
  now.key = null;
  if (now.editor.isEmpty && !now.files.length) now.seen = null;
  else now.seen ??= look();
  onRefreshed();
  if (isNote()) sessionStorage.setItem(keptNote(), now.editor.html);
  else if (acting()) now.draft.later(content);
}

function content() {
  const fields = now.composer.elements;
  return {
    mode: mode(), message_id: now.message, html: now.editor.html, text: now.editor.text, seen: (now.seen ?? look()).etag,
    to: now.named ? addresses(fields.to.value) : [], cc: now.named ? addresses(fields.cc.value) : [], bcc: addresses(fields.bcc.value),
    attachments: now.files.filter((f) => f.done).map((f) => f.upload_id),
  };
}

// --- recipients ---------------------------------------------------------------------------------------------------

const people = (list) => list.map((p) => p.address).join(", ");
function addresses(text) {
  const known = new Map((now.suggested?.known ?? []).map((p) => [p.address.toLowerCase(), p.name]));
  return text.split(/[,;\s]+/).filter((a) => /^[^@\s]+@[^@\s]+$/.test(a)).map((address) => ({ address, name: known.get(address.toLowerCase()) ?? "" }));
}

async function suggest() {
  const mine = now;
  if (isNote() || mine.composer.dataset.channel !== "email") return;
  const query = new URLSearchParams({ mode: mode(), ...(now.message ? { message: now.message } : {}), ...(acting() ? { agent: acting() } : {}) });
  const { ok, said } = await call("GET", `/api/v1/conversations/${mine.id}/recipients?${query}`);
  if (!ok || mine !== now) return;
  now.suggested = said;
  by("known-people").replaceChildren(...said.known.map((p) => new Option(p.name, p.address)));
  const sign = by("signature");
  sign.textContent = [said.from_name && `${said.from_name} <${said.from_address}>`, said.signature].filter(Boolean).join(" · ");
  sign.hidden = !said.signature;
  const others = said.known.length > 1;
  now.composer.querySelector("[data-reply-all]").hidden = !others && mode() !== "reply_all";
  if (!now.named) for (const field of ["to", "cc"]) now.composer.elements[field].value = people(said[field]);
  if (mode() === "reply_all") now.named = true;
  showRecipients();
}

function showRecipients() {
  const fields = now.composer.elements;
  const parts = [["to", fields.to.value], ["cc", fields.cc.value], ["bcc", fields.bcc.value]].filter(([, value]) => value.trim());
  by("recipients-shown").textContent = parts.map(([field, value]) => t(`composer.js.${field}`, { addresses: value })).join(" · ") || t("composer.js.nobody");
}

// --- files --------------------------------------------------------------------------------------------------------

function bring(files, inline) {
  if (!someoneActs()) return;
  for (const file of files) {
    const item = { filename: file.name || "picture.png", body_bytes: file.size, part: 0, inline };
    if (!inline) now.files.push(item);
    upload(file, item, now);
  }
  showFiles();
}

function upload(file, item, mine) {
  const sending = new XMLHttpRequest(); // fetch tells no progress
  sending.open("POST", `/api/v1/uploads?${new URLSearchParams({ filename: item.filename, inline: String(item.inline) })}`);
  for (const [name, value] of Object.entries(csrf())) sending.setRequestHeader(name, value);
  sending.setRequestHeader("Content-Type", file.type || "application/octet-stream");
  sending.upload.addEventListener("progress", (event) => { item.part = event.loaded / (event.total || 1); showFiles(); });
  sending.addEventListener("loadend", () => {
    if (mine !== now) return;
    if (sending.status !== 201) {
      now.files = now.files.filter((f) => f !== item);
      let said = {};
      try { said = JSON.parse(sending.responseText); } catch { /* no answer */ }
      say(`${item.filename}: ${said.detail ?? t("frame.js.failed")}`, { bad: true });
    } else {
      const found = JSON.parse(sending.responseText);
      Object.assign(item, found, { done: true });
      if (item.inline) { now.files.push(item); now.editor.picture(found); }
      changed();
    }
    showFiles();
  });
  sending.send(file);
}

function showFiles() {
  by("files").replaceChildren(...now.files.filter((f) => !f.content_id).map((file) => {
    const li = document.createElement("li");
    li.append(file.done ? file.filename : t("composer.js.uploading", { name: file.filename, n: Math.round(file.part * 100) }));
    const drop = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "×", ariaLabel: t("composer.js.drop", { name: file.filename }) });
    drop.addEventListener("click", () => { now.files = now.files.filter((f) => f !== file); showFiles(); changed(); });
    li.append(" ", drop);
    return li;
  }));
}

async function findSaved(query, id) {
  const agent = acting() ? `&agent=${encodeURIComponent(acting())}` : "";
  if (!id) return (await call("GET", `/api/v1/saved-replies?q=${encodeURIComponent(query)}${agent}`)).said.items ?? [];
  const { ok, said } = await call("POST", `/api/v1/conversations/${now.id}/saved-replies/${encodeURIComponent(id)}/render`, {});
  if (!ok) say(said.detail ?? t("frame.js.failed"), { bad: true });
  return ok ? said : null;
}

// --- sending ------------------------------------------------------------------------------------------------------

async function send(button, then, at = "") {
  if (now.editor.isEmpty && !(mode() === "forward" && now.message)) { by("text").focus(); return; }
  if (!someoneActs()) return;
  if (now.files.some((f) => !f.done)) { say(t("composer.js.still_uploading"), { bad: true }); return; }
  await busy(button, () => (isNote() ? sendNote() : sendReply(then, at)));
}

async function sendNote() {
  now.key ??= newKey();
  const { html, text, attachments } = content();
  const result = await act("note", { html, text, attachments }, { etag: (now.seen ?? look()).etag, idempotencyKey: now.key });
  if (result === "refused") now.key = null;
  if (result === "done") { sessionStorage.removeItem(keptNote()); clear(); }
}

async function sendReply(then, at) {
  const mine = now;
  mine.draft.later(content);
  if (!(await mine.draft.flush())) { if (!mine.locked) say(t("composer.js.not_saved"), { bad: true }); return; }
  const body = { then: then || null, hold_if_customer_writes: by("hold").checked };
  if (at) body.send_at = new Date(at).toISOString();
  else body.undo_seconds = UNDO_SECONDS;
  const { ok, status, said } = await call("POST", `${mine.draft.base}/send`, body);
  if (!ok) {
    const why = (said.changed ?? []).map((c) => c.replaceAll("_", " ")).join(", ");
    say([said.detail ?? said.title ?? t("frame.js.failed"), why && `(${why})`].filter(Boolean).join(" "), { bad: true });
    return;
  }
  if (said.state === "awaiting_approval") { say(t("composer.js.asked_approval")); if (mine === now) load(); return; }
  const message = said.event?.data?.message_id;
  if (mine === now) { clear(); by("menu-later").open = false; }
  const text = status === 202 ? t("frame.js.taken") : at ? t("composer.js.scheduled") : t("composer.js.sent");
  say(text, { undo: message ? () => undo(mine.id, message) : null });
}

// Take a reply back that has not left; its text comes back into the composer. True when that was in time.
async function undo(id, message) {
  const { ok, said } = await call("POST", `/api/v1/conversations/${id}/messages/${message}/cancel`, {});
  if (!ok || said.result === "too_late") { say(t("composer.js.too_late"), { bad: true }); return false; }
  if (said.result === "pending") { say(t("frame.js.taken")); return false; }
  await edit(id, message);
  return true;
}

async function edit(id, message) {
  const { ok, said } = await call("POST", `/api/v1/conversations/${id}/draft/from/${message}`, {});
  if (!ok) { say(said.detail ?? t("frame.js.failed"), { bad: true }); return; }
  if (now?.id !== id) return;
  now.draft.number = said.number;
  now.seen = null;
  show(said);
  by("text").focus();
}

function clear() {
  now.editor.set("", "");
  now.files = [];
  now.draft.dirty = false;
  now.draft.number = 0;
  now.seen = now.key = now.message = null;
  now.named = false;
  for (const field of ["to", "cc", "bcc"]) now.composer.elements[field].value = "";
  if (now.composer.dataset.sends === "true" && !isNote()) now.composer.elements.mode.value = "reply";
  by("answering").hidden = true;
  by("draft-state").textContent = "";
  showFiles();
  showMode();
  suggest();
  onRefreshed();
}

// --- what else speaks to it ---------------------------------------------------------------------------------------

// The keys `r` and `n`, and whoever else wants to write.
export function write(kind) {
  const composer = form();
  if (!composer) return;
  composer.elements.mode.value = kind;
  chosen();
  by("text").focus();
}

document.addEventListener("click", (event) => {
  const answer = event.target.closest("[data-answer]");
  const forward = event.target.closest("[data-forward-message]")?.dataset.forwardMessage;
  const cancel = event.target.closest("[data-cancel-message]");
  const again = event.target.closest("[data-edit-message]")?.dataset.editMessage;
  if (answer) answerTo(answer.dataset.answer, answer.closest("li.message")?.id.slice(2) ?? null);
  else if (event.target.id === "answering-not") answerTo(null, null);
  else if (forward) passOn(forward);
  else if (cancel && someoneActs()) busy(cancel, () => undo(now.id, cancel.dataset.cancelMessage));
  else if (again && someoneActs()) edit(now.id, again);
});
document.addEventListener("postroom:acting", showAs);

function answerTo(address, message) {
  if (!now) return;
  now.message = message;
  now.named = Boolean(address);
  now.composer.elements.to.value = address ?? "";
  now.composer.elements.cc.value = "";
  const line = by("answering");
  line.hidden = !address;
  line.querySelector("strong").textContent = address ?? "";
  if (address) write("reply");
  else suggest();
  changed();
}

function passOn(message) {
  now.message = message;
  now.named = true;
  for (const field of ["to", "cc", "bcc"]) now.composer.elements[field].value = "";
  write("forward");
  by("recipients").open = true;
  now.composer.elements.to.focus();
}

function chosen() {
  if (mode() === "reply_all" || mode() === "reply") {
    if (now.message === null || by("answering").hidden) { now.message = null; now.named = false; }
    suggest();
  }
  showMode();
  if (!now.editor.isEmpty) changed();
}

function showMode() {
  const composer = form();
  composer.dataset.mode = mode();
  composer.querySelector("[data-forward]").hidden = mode() !== "forward";
  for (const part of composer.querySelectorAll("[data-reply-only]")) part.hidden = isNote() || (part.id === "signature" && !part.textContent);
  composer.querySelector(".primary").textContent = t(isNote() ? "composer.js.add_note" : "composer.js.send");
  if (!isNote()) showRecipients();
}

function showAs() {
  const line = by("as");
  if (line) line.textContent = actingName() ? t("composer.js.as", { name: actingName() }) : t("frame.js.choose_agent");
}

// After live updates of the conversation.
export function onRefreshed() {
  const note = by("written");
  if (note && now) note.hidden = !(now.seen && !isNote() && now.seen.incoming !== head()?.dataset.incoming);
}

// Leaving the page saves what a moment later would have been.
addEventListener("pagehide", () => { if (now?.draft.dirty && !isNote()) now.draft.flush(); });
