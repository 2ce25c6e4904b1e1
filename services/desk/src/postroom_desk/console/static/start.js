// Writing first: a draft of its own on the desk, found again under Drafts and at its address, /conversations/new-ID.
import { acting, busy, newKey, refusal, say, someoneActs } from "./actions.js";
import { undo } from "./composer.js";
import { call, Draft } from "./drafting.js";
import { Editor } from "./editor.js";
import { Files, takeDrops } from "./files.js";
import { go } from "./nav.js";
import { savedReplies } from "./offers.js";
import { addresses } from "./recipients.js";
import { t } from "./texts.js";
import { openVersions } from "./versions.js";

const NEW = "new";
const ABSENT = { number: 0, id: "", text: "", html: "", subject: "", inbox_id: "", to: [], cc: [], bcc: [], attachments: [], saved_by: "", state: "open" };
const TO_WHOM = ["to", "cc", "bcc"];
const by = (id) => document.getElementById(id);
const joined = (people) => people.map((p) => p.address).join(", ");
let now = null; // {form, section, draft, editor, files, known (people), said (what it says), shown (the draft as the desk told it)}

export function startNew() {
  const form = by("new-conversation");
  if (!form || form.dataset.started) return;
  form.dataset.started = "true";
  leave();
  const section = form.closest("#conversation");
  const id = section.dataset.id.slice(NEW.length + 1) || newKey();
  const mine = { form, section, id, known: [], said: null, shown: ABSENT };
  now = mine;
  const bring = (files, inline) => mine.files.bring(files, inline);
  mine.draft = new Draft({ base: `/api/v1/drafts/${id}`, place: `${NEW}-${id}`, absent: ABSENT }, (draft, state) => told(mine, draft, state));
  mine.files = new Files(by("new-files"), { changed: () => changed(mine), picture: (upload) => mine.editor.picture(upload) });
  const saved = savedReplies("/api/v1", () => aboutOf(mine));
  mine.editor = new Editor(by("new-text"), { changed: () => changed(mine), bring, list: by("new-offers"), triggers: [saved] });
  by("new-saved-open").addEventListener("click", () => { by("new-text").focus(); mine.editor.open(saved, ""); });
  takeDrops(form, bring);
  listen(mine, bring);
  if (section.dataset.id !== NEW) mine.draft.load((draft) => { if (draft && form.isConnected) put(mine, draft); });
  (form.elements.to.value ? by("new-text") : form.elements.to).focus();
}

function listen(mine, bring) {
  const { form, draft } = mine;
  by("new-attach").addEventListener("change", (event) => { bring([...event.target.files], false); event.target.value = ""; });
  for (const button of form.querySelectorAll("[data-format]")) {
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => mine.editor.format(button.dataset.format));
  }
  form.addEventListener("input", (event) => { if (event.target.matches("input[name], select[name]")) changed(mine); if (event.target.matches("[list]")) suggest(mine, event.target); });
  form.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); } });
  form.addEventListener("submit", (event) => { event.preventDefault(); busy(by("new-send"), () => sendOnce(mine)); });
  by("new-send-later").addEventListener("click", () => busy(by("new-send-later"), () => sendOnce(mine, by("new-send-at").value)));
  by("new-take-over").addEventListener("click", () => { mine.taking = takeOver(mine); });
  by("new-versions").addEventListener("click", () => { by("menu-draft").open = false; openVersions(draft, (said) => { if (form.isConnected) fill(mine, said); }); });
  by("new-drop").addEventListener("click", () => { by("menu-draft").open = false; discard(mine); });
  by("new-hand-over").addEventListener("change", (event) => handOver(mine, event.target));
}

// --- the text and its draft ---------------------------------------------------------------------------------------

function changed(mine) {
  if (!acting()) { by("new-state").textContent = t("composer.js.not_saved"); return; } // nobody's text is kept
  begin(mine);
  mine.draft.later(() => contentOf(mine));
  showState(mine);
}

// From its first change on it has an address, at which a reload finds it.
function begin({ section, id }) {
  if (section.dataset.id !== NEW) return;
  section.dataset.id = `${NEW}-${id}`;
  history.replaceState(history.state, "", `/conversations/${section.dataset.id}${location.search}`);
}

function contentOf(mine) {
  const { form, editor, files, known } = mine;
  if (!form.isConnected) return mine.said;
  const { inbox_id: inbox, to, cc, bcc, subject } = form.elements;
  mine.said = {
    inbox_id: inbox.value, to: addresses(to.value, known), cc: addresses(cc.value, known), bcc: addresses(bcc.value, known), subject: subject.value,
    html: editor.html, text: editor.text, attachments: files.done.map((f) => f.upload_id), files: files.done,
  };
  return mine.said;
}

const isThere = (draft) => Boolean(draft.number || draft.inbox_id);

// What stands in the fields for people: also an address that is half typed.
const typedOf = ({ form }) => Object.fromEntries(TO_WHOM.map((name) => [name, form.elements[name].value.trim()]));

// What a saved reply is filled with.
function aboutOf(mine) {
  const { inbox_id, to, subject } = contentOf(mine);
  return { inbox_id, to: to.slice(0, 1), subject };
}

// A draft of the desk's, behind which stands what somebody typed before it came; what this tab could not save before goes over it if
// nobody wrote since.
function put(mine, draft) {
  const { unsaved } = mine.draft;
  const early = mine.draft.dirty ? { ...contentOf(mine), typed: typedOf(mine) } : null;
  const arrived = draft.saved_by === acting() && draft.text === unsaved?.content.text;
  const newer = unsaved && !arrived && unsaved.number === draft.number ? unsaved : null;
  const older = unsaved && !arrived && !newer && unsaved.content.html !== draft.html ? unsaved : null;
  if (!newer) mine.draft.forget();
  if (early && !newer && !isThere(draft)) { mine.shown = draft; showWhose(mine); changed(mine); return; } // nothing came: what was typed stays as it stands
  fill(mine, newer ? { ...draft, ...newer.content, attachments: newer.files } : draft);
  if (early) add(mine, early);
  if (newer || early) changed(mine);
  if (older) offerMine(mine, { ...older.content, files: older.files });
}

// Theirs is shown, and one's own not lost.
function offerMine(mine, content) {
  say(t("composer.js.changed"), { bad: true, label: t("answering.js.mine"), undo: async () => {
    if (!mine.form.isConnected) return false;
    fill(mine, { ...mine.shown, ...content, attachments: content.files });
    changed(mine);
    return false;
  } });
}

function add({ form, editor, files }, { subject, html, text, files: more, typed }) {
  const { subject: subjectField } = form.elements;
  for (const name of TO_WHOM) form.elements[name].value = [form.elements[name].value, typed[name]].filter(Boolean).join(", ");
  subjectField.value = [subjectField.value, subject].filter(Boolean).join(" ");
  editor.append(Editor.nodes(html, text, more));
  files.show([...files.items, ...more]);
}

function fill(mine, draft) {
  const { form, editor, files } = mine;
  mine.shown = draft;
  if (isThere(draft)) {
    const inbox = form.elements.inbox_id; // one that they may not send from is there all the same: it stays as it is
    if (![...inbox.options].some((o) => o.value === draft.inbox_id)) inbox.append(new Option(draft.inbox_id, draft.inbox_id));
    inbox.value = draft.inbox_id;
    for (const name of TO_WHOM) form.elements[name].value = joined(draft[name]);
    form.elements.subject.value = draft.subject;
    mine.known = [...mine.known, ...TO_WHOM.flatMap((name) => draft[name])];
  }
  editor.set(Editor.nodes(draft.html, draft.text, draft.attachments));
  files.show(draft.attachments.map((f) => ({ ...f, done: true })));
  showWhose(mine);
}

function told(mine, draft, state) {
  if (!mine.form.isConnected) return;
  if (state === "saved") mine.shown = draft;
  if (state === "locked") mine.shown = { ...mine.shown, holder: draft.holder, holder_name: draft.holder_name ?? "", held_until: new Date(Date.now() + 5000).toISOString() };
  if (state === "refused" && mine.why !== (mine.why = refusal(draft))) say(mine.why, { bad: true });
  if (state === "changed") {
    const content = contentOf(mine);
    fill(mine, draft);
    offerMine(mine, content);
  }
  if (state === "saving") showState(mine);
  else showWhose(mine);
}

function showState({ draft }) {
  const line = by("new-state");
  line.ariaLive = draft.state === "saving" ? "off" : "polite";
  line.textContent = { "": "", saving: t("composer.js.saving"), saved: t("composer.js.saved"), unsaved: t("composer.js.not_saved") }[draft.state];
}

// Who writes it, of those who see it, and to whom it can be given.
function showWhose(mine) {
  const { form, shown, draft } = mine;
  const other = shown.holder && shown.holder !== acting() && shown.held_until ? shown.holder_name : "";
  const given = shown.handed_by && shown.holder === acting() && shown.handed_by !== acting();
  by("new-locked").hidden = !other;
  by("new-locked-by").textContent = other ? t("composer.js.editing", { name: other }) : "";
  by("new-awaits").hidden = shown.state !== "awaiting_approval" && !given;
  by("new-awaits").textContent = given ? t("answering.js.given", { name: nameOf(shown.handed_by) }) : t("composer.js.awaits");
  by("new-text").contentEditable = other ? "false" : "true";
  for (const field of form.querySelectorAll("input[name], select[name]")) field.disabled = Boolean(other);
  for (const option of by("new-hand-over").options) option.hidden = Boolean(option.value) && !option.dataset.inboxes.split(" ").includes(form.elements.inbox_id.value);
  if (other) follow(mine);
  else draft.stop();
  showState(mine);
}

const nameOf = (id) => by("new-hand-over").querySelector(`[value="${CSS.escape(id)}"]`)?.textContent ?? id;

function follow(mine) {
  const { draft, form, shown } = mine;
  draft.follow((live, fresh) => {
    if (!form.isConnected) { draft.stop(); return; }
    if (fresh) fill(mine, live);
    else { mine.shown = live; showWhose(mine); }
  });
  clearTimeout(mine.timer);
  mine.timer = setTimeout(async () => { // that they stop is told by nobody
    const there = form.isConnected && !draft.dirty && (await draft.read());
    if (there && !draft.dirty) fill(mine, there);
  }, Math.max(1000, Date.parse(shown.held_until) - Date.now()) + 500);
}

async function takeOver(mine) {
  const { ok, said } = await mine.draft.take(true);
  if (!ok) { say(refusal(said), { bad: true }); return; }
  mine.draft.took(said);
  fill(mine, said);
  by("new-text").focus();
}

async function handOver(mine, select) {
  const to = select.value;
  select.value = "";
  if (!to || !someoneActs() || !(await saved(mine))) return;
  const { ok, said } = await mine.draft.handOver(to);
  by("menu-draft").open = false;
  if (!ok) { say(refusal(said), { bad: true }); return; }
  mine.shown = said;
  say(t("answering.js.handed", { name: said.holder_name }));
}

async function discard(mine) {
  const content = contentOf(mine);
  const { ok, said } = await mine.draft.drop();
  if (!ok && mine.draft.number) { say(refusal(said), { bad: true }); return; }
  mine.draft.sent();
  fill(mine, { ...ABSENT, inbox_id: content.inbox_id });
  say(t("answering.js.discarded"), { undo: async () => {
    if (!mine.form.isConnected) return false;
    fill(mine, { ...ABSENT, ...content, attachments: content.files });
    changed(mine);
    return true;
  } });
}

// Going elsewhere saves what a moment later would have been; of a form that was emptied nothing is left.
function leave() {
  if (!now) return;
  const { draft, said } = now;
  draft.stop();
  if (draft.number && said && ![...said.to, ...said.cc, ...said.bcc, said.subject, said.text, ...said.attachments].some(Boolean)) draft.drop();
  else if (draft.dirty) draft.flush();
}
addEventListener("pagehide", leave);
document.addEventListener("postroom:live", () => { if (now?.draft.dirty) now.draft.flush(); });

// --- people and sending -------------------------------------------------------------------------------------------

// People of the inboxes that one may read, for the address that is being typed.
async function suggest(mine, field) {
  const before = field.value.replace(/[^,;\s]*$/, "");
  const wanted = field.value.slice(before.length);
  if (wanted.length < 2) return;
  const { ok, said } = await call("GET", `/api/v1/contacts?q=${encodeURIComponent(wanted)}`);
  if (!ok || !field.isConnected) return;
  const people = (said.contacts ?? []).filter((p) => p.address);
  mine.known = [...mine.known, ...people];
  by("new-people").replaceChildren(...people.map((p) => new Option(p.name, before + p.address)));
}

// True when all of it is on the desk.
async function saved(mine) {
  changed(mine);
  const { html: meant } = contentOf(mine);
  const fine = await mine.draft.flush();
  if (fine && contentOf(mine).html === meant) return true;
  if (fine) say(t("answering.js.look_again"), { bad: true });
  else say(by("new-locked").hidden ? t("composer.js.not_saved") : by("new-locked-by").textContent, { bad: true });
  return false;
}

// While it is sent nothing is typed that would be gone with it.
async function sendOnce(mine, at = "") {
  if (mine.editor.busy) return;
  mine.editor.busy = true;
  try { await sendShown(mine, at); } finally { mine.editor.busy = false; }
}

// Who presses Send right behind "Take over" sends what they have by then.
async function sendShown(mine, at) {
  const shown = contentOf(mine);
  await mine.taking;
  if (!mine.form.isConnected) return;
  if (contentOf(mine).html !== shown.html) { say(t("answering.js.look_again"), { bad: true }); return; }
  await send(mine, at);
}

async function send(mine, at = "") {
  const { form, editor, files, draft } = mine;
  if (!someoneActs()) return;
  if (!contentOf(mine).to.length) { form.elements.to.focus(); say(t("answering.js.no_address"), { bad: true }); return; }
  if (editor.isEmpty) { by("new-text").focus(); return; }
  if (files.waiting) { say(t("composer.js.still_uploading"), { bad: true }); return; }
  if (!(await saved(mine))) return;
  const when = at ? { send_at: new Date(at).toISOString() } : { undo_seconds: Number(form.dataset.undo) };
  const { ok, status, said } = await call("POST", `${draft.base}/send`, when);
  if (!ok) { say(refusal(said), { bad: true }); return; }
  if (said.state === "awaiting_approval") {
    say(t("composer.js.asked_approval"));
    const there = await draft.read();
    if (there && form.isConnected) fill(mine, there);
    return;
  }
  draft.sent();
  const message = said.event?.data?.message_id;
  say(t(status === 202 ? "frame.js.taken" : at ? "composer.js.scheduled" : "composer.js.sent"), { undo: message && (at || when.undo_seconds) ? () => undo(said.conversation_id, message) : null });
  if (form.isConnected) go(`/conversations/${said.conversation_id}${location.search}`);
}
