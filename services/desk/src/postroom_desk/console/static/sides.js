// The two texts of a composer, a reply and a note: each has its draft on the desk, its files, and what was seen when it was begun.
import { acting, refusal, say } from "./actions.js";
import { onOwner, onWriting } from "./claiming.js";
import { Draft } from "./drafting.js";
import { Editor } from "./editor.js";
import { t } from "./texts.js";

const by = (id) => document.getElementById(id);
const head = () => document.getElementById("head");

// Of the composer on the page: id (of the conversation), composer, editor, files, recipients, held, sides (reply, note), side (the one
// that is shown), message (that is answered), wanted (how it was to be sent when it was held).
export let now = null;

// `known` is the draft as the desk last told it, `nodes` the text while the other one is shown, `said` what it said then.
function sideOf(id, kind) {
  const side = { kind, mode: "reply", items: [], nodes: [], said: null, seen: null, key: null, known: null, sending: false };
  side.draft = new Draft({ base: `/api/v1/conversations/${id}/draft`, place: `${id}.${kind}`, query: { kind } }, (draft, state) => onDraft(side, draft, state));
  return side;
}

export function begin(id, composer) {
  leave();
  const sides = { reply: sideOf(id, "reply"), note: sideOf(id, "note") };
  now = { id, composer, sides, side: sides.reply, message: null, wanted: null, typing: false };
  return now;
}

// What was being written is saved before it goes out of sight.
export function leave() {
  for (const side of Object.values(now?.sides ?? {})) {
    side.draft.stop();
    if (side.draft.dirty) side.draft.flush();
  }
}

// The desk is back: what waited to be saved waits no longer.
document.addEventListener("postroom:live", () => { for (const side of Object.values(now?.sides ?? {})) if (side.draft.dirty) side.draft.flush(); });

export const mode = () => now.composer.elements.mode.value;
export const isNote = () => mode() === "note";
export const isEmpty = () => now.editor.isEmpty && !now.files.items.length;
export const look = () => ({ etag: head().dataset.etag, messages: head().dataset.messages });
export const heldBy = (draft) => (draft?.holder && draft.holder !== acting() && draft.held_until ? draft.holder_name : "");
const isFilled = (draft) => Boolean(draft.html || draft.text || draft.attachments.length);

// Called once, when the composer is new: drafts of the desk's, below which stands what somebody typed before they came.
export async function load() {
  const mine = now;
  const here = () => mine === now && mine.composer.isConnected;
  const sides = Object.values(mine.sides);
  await Promise.all(sides.map((side) => side.draft.load((draft) => {
    if (here() && draft) put(side, draft);
    else if (!here() && draft?.number) side.draft.keepHere(); // never over what was not seen
  })));
  if (!here()) return;
  if (now.sides.note.known?.filled && !now.sides.reply.known?.filled && isEmpty()) now.composer.elements.mode.value = "note";
  turn();
  showSide();
  showMode();
  if (!isNote()) now.recipients.suggest(mode(), now.message);
}

// What the desk says of the text that is shown; with `whole` the text, too.
export async function lookAgain(whole = false) {
  const mine = now;
  const { side } = mine;
  const draft = await side.draft.read();
  if (!draft || mine !== now || side !== now.side || !mine.composer.isConnected) return;
  if (whole && !side.draft.dirty) fill(side, draft);
  else side.known = { ...draft, filled: isFilled(draft) };
  showSide();
  showMode();
}

// Show the text that belongs to the mode; the other one waits.
export function turn() {
  const side = now.sides[isNote() ? "note" : "reply"];
  if (side === now.side) return;
  const before = now.side;
  contentOf(before);
  before.nodes = [...by("text").childNodes];
  before.draft.stop();
  if (before.draft.dirty) before.draft.flush();
  now.side = side;
  now.editor.busy = side.sending;
  now.editor.set(side.nodes);
  showSide();
}

// Take a draft of the desk's into its side. What this tab could not save before goes over it, or is offered if others wrote since.
export function put(side, draft) {
  const { unsaved } = side.draft;
  const arrived = unsaved && draft.saved_by === acting() && draft.text === unsaved.content.text; // though no answer did
  const newer = unsaved && !arrived && unsaved.content.html !== draft.html ? unsaved : null;
  if (!newer) side.draft.forget();
  if (newer && newer.number === draft.number && !heldBy(draft)) {
    fill(side, { ...draft, ...newer.content, attachments: newer.files });
    side.said = { ...newer.content, files: newer.files };
    side.draft.later(() => contentOf(side));
    return;
  }
  fill(side, draft);
  if (newer) offerMine(side, newer);
}

function fill(side, draft) {
  const shown = side === now.side;
  const early = shown && !side.known && !now.editor.isEmpty; // somebody was faster than the desk: their caret stays where it is
  side.known = { ...draft, filled: isFilled(draft) };
  side.mode = draft.mode;
  if (!early || side.known.filled) side.items = draft.attachments.map((f) => ({ ...f, done: true }));
  const nodes = Editor.nodes(draft.html, draft.text, draft.attachments);
  if (early) by("text").prepend(...nodes, ...(nodes.length && !draft.html ? [document.createElement("br")] : []));
  else if (shown) now.editor.set(nodes);
  else side.nodes = nodes;
  if (side.kind === "reply" && side.known.filled) {
    if (shown && now.composer.dataset.sends === "true") now.composer.elements.mode.value = draft.mode;
    now.message = draft.message_id;
    now.recipients.set(draft);
  }
  if (!side.known.filled) { if (!early) side.seen = null; } else side.seen = seenBy(draft, side);
}

function seenBy(draft, side) {
  if (!draft.seen || draft.seen === head().dataset.etag) return side.seen ?? look();
  const written = draft.saved_at && Date.parse(head().dataset.lastMessage) > Date.parse(draft.saved_at);
  return { etag: draft.seen, messages: written ? null : head().dataset.messages };
}

function offerMine(side, mine) {
  say(t("composer.js.changed"), { bad: true, label: t("answering.js.mine"), undo: async () => {
    if (now?.sides[side.kind] !== side) return false;
    fill(side, { ...side.known, ...mine.content, attachments: mine.files });
    side.draft.later(() => contentOf(side));
    return false;
  } });
}

function onDraft(side, draft, state) {
  if (now?.sides[side.kind] !== side || !now.composer.isConnected) return;
  if (state === "saved") side.known = { ...draft, filled: isFilled(draft) };
  if (state === "locked") side.known = { ...side.known, holder: draft.holder, holder_name: draft.holder_name ?? "", held_until: Boolean(draft.holder) };
  if (state === "changed" && draft) {
    const mine = contentOf(side);
    fill(side, draft);
    offerMine(side, { content: mine, files: mine.files });
  }
  if (state === "refused" && side.why !== (side.why = refusal(draft))) say(side.why, { bad: true });
  if (state === "saved") side.why = "";
  if (side !== now.side) return;
  if (state === "saving") showState();
  else showSide();
}

// Whether what stands in the text is on the desk: "Saved" is said of nothing else.
function showState() {
  const line = by("draft-state");
  const { state } = now.side.draft;
  const text = { "": "", saving: t("composer.js.saving"), saved: t("composer.js.saved"), unsaved: t("composer.js.not_saved") }[state];
  line.ariaLive = state === "saving" ? "off" : "polite"; // not after each pause
  if (line.textContent !== text) line.textContent = text;
}

// Who writes the text that is shown, whether it waits for approval or was given to one, and whether it was held.
export function showSide() {
  const { known, draft } = now.side;
  const other = heldBy(known);
  by("locked").hidden = !other;
  by("locked-by").textContent = other ? t("composer.js.editing", { name: other }) : "";
  by("text").contentEditable = other ? "false" : "true";
  const given = known?.handed_by && known.holder === acting() && known.handed_by !== acting();
  by("awaits").hidden = known?.state !== "awaiting_approval" && !given;
  by("awaits-whom").textContent = given ? t("answering.js.given", { name: nameOf(known.handed_by) }) : t("composer.js.awaits");
  if (other || (now.typing && !isNote())) follow(now.side);
  else draft.stop();
  if (!isNote() && known?.refused?.reason === "stale") now.held.show(known.seen, Boolean(other));
  else if (now.held.open) now.held.hide();
  now.files.show(now.side.items);
  showState();
  onRefreshed();
}

// Show what a colleague writes while they do. That they stop is told by nobody: their time just ends.
function follow(side) {
  const mine = now;
  side.draft.follow((live, fresh) => {
    if (mine !== now || side !== now.side || !mine.composer.isConnected) return;
    if (fresh) fill(side, live);
    else side.known = { ...live, filled: isFilled(live) };
    showSide();
  });
  clearTimeout(mine.timer);
  const left = heldBy(side.known) ? Date.parse(side.known.held_until) - Date.now() : 0;
  if (left > 0) mine.timer = setTimeout(() => { if (mine === now && !side.draft.dirty) lookAgain(true); }, left + 500);
}

// A colleague begins or ends to reply here.
document.addEventListener("postroom:typing", ({ detail: { id, typing } }) => {
  if (!now || now.id !== id || now.typing === typing || !now.composer.isConnected) return;
  now.typing = typing;
  showSide();
});

const nameOf = (id) => document.querySelector(`#colleagues [data-colleague="${CSS.escape(id)}"]`)?.textContent ?? id;

export function changed() {
  const { side } = now;
  side.key = null;
  side.items = now.files.items;
  if (isEmpty()) side.seen = null;
  else side.seen ??= look();
  onRefreshed();
  if (!acting()) { by("draft-state").textContent = t("composer.js.not_saved"); return; } // nobody's text is kept
  side.draft.later(() => contentOf(side));
  showState();
  if (!isNote() && !isEmpty()) onWriting(now.id, now.composer.dataset.claim);
}

// What a side says, as the desk's draft; `files` are those of `attachments`.
export function contentOf(side) {
  if (side !== now?.side || !now.composer.isConnected) return side.said;
  const files = side.items.filter((f) => f.done);
  const recipients = side.kind === "note" ? {} : { mode: side.mode, message_id: now.message, ...now.recipients.chosen };
  side.said = { html: now.editor.html, text: now.editor.text, seen: (side.seen ?? look()).etag, ...recipients, attachments: files.map((f) => f.upload_id), files };
  return side.said;
}

// Put back what was thrown away.
export function refill(kind, content) {
  now.sides[kind].said = content;
  fill(now.sides[kind], { mode: "reply", message_id: null, to: [], cc: [], bcc: [], ...content, attachments: content.files });
  now.sides[kind].draft.later(() => contentOf(now.sides[kind]));
  showSide();
}

// Show what the desk has: an earlier version that was put back.
export function took(side, draft) {
  if (now?.sides[side.kind] !== side || !now.composer.isConnected) return;
  fill(side, draft);
  showSide();
}

// It was taken over from a colleague; what could not be saved beside theirs is offered.
export function takenOver(side, draft) {
  const mine = side.draft.dirty ? contentOf(side) : null;
  side.draft.took(draft);
  took(side, draft);
  if (mine) offerMine(side, { content: mine, files: mine.files });
}

// After it was sent or thrown away nothing of a text is left.
export function clear(side) {
  side.draft.sent();
  Object.assign(side, { mode: "reply", items: [], nodes: [], said: null, seen: null, key: null, known: null });
  if (side.kind === "reply") {
    now.message = now.wanted = null;
    now.recipients.clear();
    if (now.composer.dataset.sends === "true" && !isNote()) now.composer.elements.mode.value = "reply";
    by("answering").hidden = true;
    if (!isNote()) now.recipients.suggest("reply", null);
  }
  if (side !== now.side) { showMode(); return; }
  now.editor.set([]);
  showSide();
  showMode();
}

export function showMode() {
  const { composer, sides } = now;
  composer.dataset.mode = mode();
  if (!isNote()) sides.reply.mode = mode();
  composer.querySelector("[data-forward]").hidden = mode() !== "forward";
  for (const part of composer.querySelectorAll("[data-reply-only]")) part.hidden = isNote() || (part.id === "signature" && !part.textContent);
  by("send").textContent = t(isNote() ? "composer.js.add_note" : "composer.js.send");
  by("text").dataset.placeholder = isNote() ? t("answering.js.note_to") : by("text").dataset.reply;
  for (const side of Object.values(sides)) composer.querySelector(`[data-side=${side.kind}]`).classList.toggle("has-draft", side !== now.side && Boolean(side.nodes.length || side.items.length));
  if (!isNote()) now.recipients.show();
}

// After live updates of the conversation.
export function onRefreshed() {
  const note = by("written");
  if (!note || !now?.composer.isConnected || !head()) return;
  onOwner();
  now.held.refresh(head().dataset.etag);
  note.hidden = !(now.side.seen && !isNote() && !now.held.open && now.side.seen.messages !== head().dataset.messages);
}
