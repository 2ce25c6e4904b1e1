// The composer: reply, forward and note. It tells who writes that somebody else did, and holds what would go out over an unread
// message; what is written is never lost, because it lies on the desk as the conversation's drafts.
import { act, actingName, busy, newKey, refusal, say, someoneActs } from "./actions.js";
import { startClaiming } from "./claiming.js";
import { call } from "./drafting.js";
import { Editor } from "./editor.js";
import { Files, takeDrops } from "./files.js";
import { Held } from "./held.js";
import { mentions, savedReplies } from "./offers.js";
import { Recipients } from "./recipients.js";
import { begin, changed, clear, contentOf, heldBy, isEmpty, isNote, leave, load, look, lookAgain, mode, now, refill, showMode, showSide, takenOver, took, turn } from "./sides.js";
import { t } from "./texts.js";
import { openVersions } from "./versions.js";

const form = () => document.getElementById("composer");
const by = (id) => document.getElementById(id);

// Called when a conversation has been put on the page: once for each composer.
export function startComposer() {
  const composer = form();
  if (!composer || composer.dataset.started) return;
  composer.dataset.started = "true";
  const id = composer.closest("[data-id]").dataset.id;
  const mine = begin(id, composer);
  const saved = savedReplies(`/api/v1/conversations/${id}`);
  const bring = (files, inline) => mine.files.bring(files, inline);
  mine.files = new Files(by("files"), { changed, picture: (upload) => mine.editor.picture(upload) });
  mine.recipients = new Recipients(composer, id);
  mine.held = new Held(id, { send: sendHeld, edit: (etag) => { accept(etag); by("text").focus(); }, drop: discard });
  mine.editor = new Editor(by("text"), { changed, bring, list: by("offers"), triggers: [saved, mentions(isNote)] });
  takeDrops(composer, bring);
  startClaiming();
  listen(composer, bring, saved);
  if (composer.dataset.sends === "false") composer.querySelector('[value="reply"]').closest("label").hidden = true;
  if (composer.dataset.sends === "false") composer.elements.mode.value = "note";
  turn();
  load();
  showMode();
  showAs();
}

function listen(composer, bring, saved) {
  for (const button of composer.querySelectorAll("[data-format]")) {
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => now.editor.format(button.dataset.format));
  }
  by("attach").addEventListener("change", (event) => { bring([...event.target.files], false); event.target.value = ""; });
  by("saved-open").addEventListener("click", () => { by("text").focus(); now.editor.open(saved, ""); });
  by("written-seen").addEventListener("click", () => { now.side.seen = look(); changed(); by("text").focus(); });
  by("take-over").addEventListener("click", takeOver);
  by("send-later").addEventListener("click", () => send(by("send-later"), "", by("send-at").value));
  by("recipients").addEventListener("input", changed);
  by("draft-drop").addEventListener("click", () => { by("menu-draft").open = false; discard(); });
  by("draft-versions").addEventListener("click", () => {
    const { side } = now;
    by("menu-draft").open = false;
    openVersions(side.draft, (draft) => took(side, draft));
  });
  by("hand-over")?.addEventListener("change", (event) => handOver(event.target));
  composer.addEventListener("change", (event) => { if (event.target.name === "mode") chosen(); });
  composer.addEventListener("submit", (event) => { event.preventDefault(); send(event.submitter, event.submitter?.value ?? ""); });
  by("text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (now.held.open) by("held").querySelector("[data-held=send]").focus(); // that is decided on purpose
    else composer.requestSubmit(by("send"));
  });
}

// --- whose text it is ---------------------------------------------------------------------------------------------

// Who presses Send right behind it sends what they have by then.
function takeOver() {
  now.side.taking = takeSide(now);
}

async function takeSide(mine) {
  const { side } = mine;
  const { ok, said } = await side.draft.take(true);
  if (!ok) { say(refusal(said), { bad: true }); return; }
  takenOver(side, said);
  if (mine === now && side === now.side) by("text").focus();
}

async function handOver(select) {
  const to = select.value;
  select.value = "";
  if (!to || !someoneActs() || !(await saved(now.side))) return;
  const { ok, said } = await now.side.draft.handOver(to);
  by("menu-draft").open = false;
  if (!ok) { say(refusal(said), { bad: true }); return; }
  say(t("answering.js.handed", { name: said.holder_name }));
  by("text").blur();
}

// Throw the text away; one click brings it back.
async function discard() {
  const { side, id } = now;
  const content = contentOf(side);
  const { ok, said } = await side.draft.drop();
  if (!ok) { say(refusal(said), { bad: true }); return; }
  clear(side);
  say(t("answering.js.discarded"), { undo: async () => {
    if (now?.id !== id) return false;
    refill(side.kind, content);
    return true;
  } });
}

// --- sending ------------------------------------------------------------------------------------------------------

async function send(button, then, at = "") {
  if (now.editor.isEmpty && !(mode() === "forward" && now.message)) { by("text").focus(); return; }
  if (!someoneActs()) return;
  if (now.files.waiting) { say(t("composer.js.still_uploading"), { bad: true }); return; }
  const mine = now;
  const { editor, side } = mine;
  if (editor.busy) return;
  editor.busy = side.sending = true; // what was typed on would be gone with what was sent; the other text may be written
  try { await busy(button, () => sendShown(then, at)); } finally {
    side.sending = false;
    editor.busy = mine.side.sending;
  }
}

async function sendShown(then, at) {
  const { side } = now;
  const shown = contentOf(side).html;
  await side.taking;
  if (side !== now.side) return;
  if (contentOf(side).html !== shown) { say(t("answering.js.look_again"), { bad: true }); return; }
  await (isNote() ? sendNote() : sendReply(then, at));
}

// True when all of it is on the desk, and still what stood there when that was asked for.
async function saved(side) {
  side.draft.later(() => contentOf(side));
  const meant = contentOf(side).html;
  const fine = await side.draft.flush();
  if (fine && contentOf(side).html === meant) return true;
  if (fine) say(t("answering.js.look_again"), { bad: true });
  else say(heldBy(side.known) ? t("composer.js.editing", { name: heldBy(side.known) }) : t("composer.js.not_saved"), { bad: true });
  return false;
}

async function sendNote() {
  const { side } = now;
  if (!(await saved(side))) return;
  const { html, text, attachments, seen } = contentOf(side);
  side.key ??= newKey();
  const result = await act("note", { html, text, attachments, draft_id: side.draft.id }, { etag: seen, idempotencyKey: side.key });
  if (result === "refused") side.key = null;
  if (result === "done") clear(side);
}

async function sendReply(then, at) {
  const mine = now;
  const side = mine.sides.reply;
  if (!(await saved(side))) return;
  const body = { then: then || null, hold_if_customer_writes: by("hold").checked };
  if (at) body.send_at = new Date(at).toISOString();
  else body.undo_seconds = Number(mine.composer.dataset.undo);
  const seen = side.seen ? { "If-Match": `"${side.seen.etag}"` } : {}; // which may be more than when it was begun
  const { ok, status, said } = await call("POST", `${side.draft.base}/send`, body, seen);
  if (!ok) {
    if (said.reason === "stale" && mine === now && mine.composer.isConnected) { mine.wanted = { then, at }; await lookAgain(); return; }
    say(refusal(said), { bad: true });
    return;
  }
  if (said.state === "awaiting_approval") { say(t("composer.js.asked_approval")); if (mine === now) lookAgain(); return; }
  const message = said.event?.data?.message_id;
  if (mine === now && mine.composer.isConnected) { clear(side); by("menu-later").open = false; }
  const text = status === 202 ? t("frame.js.taken") : at ? t("composer.js.scheduled") : t("composer.js.sent");
  say(text, { undo: message && (at || body.undo_seconds) ? () => undo(mine.id, message) : null });
}

// What was shown beside the held draft has been read.
function accept(etag) {
  const { side } = now;
  side.known = { ...side.known, refused: null, seen: etag };
  side.seen = { ...look(), etag };
  changed();
  showSide();
}

async function sendHeld(etag, button) {
  const { then, at } = now.wanted ?? { then: "", at: "" };
  accept(etag);
  await send(button, then, at);
}

// Take a reply back that has not left; its text comes back into the composer. True when that was in time.
export async function undo(id, message) {
  const { ok, said } = await call("POST", `/api/v1/conversations/${id}/messages/${message}/cancel`, {});
  if (!ok || said.result === "too_late") { say(t("composer.js.too_late"), { bad: true }); return false; }
  if (said.result === "pending") { say(t("frame.js.taken")); return false; }
  await edit(id, message);
  return true;
}

async function edit(id, message) {
  const { ok, said } = await call("POST", `/api/v1/conversations/${id}/draft/from/${message}`, {});
  if (!ok) { say(refusal(said), { bad: true }); return; }
  if (now?.id !== id) return;
  if (isNote()) now.composer.elements.mode.value = "reply";
  turn();
  await lookAgain(true);
  by("text").focus();
}

// --- what else speaks to it ---------------------------------------------------------------------------------------

// The keys `r` and `n`, and whoever else wants to write.
export function write(kind) {
  const composer = form();
  if (!composer) return;
  if (kind !== "reply" || isNote()) composer.elements.mode.value = kind; // `r` in a forward goes on with it
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
  if (address) { now.composer.elements.mode.value = "reply"; write("reply"); }
  now.recipients.only(address);
  const line = by("answering");
  line.hidden = !address;
  line.querySelector("strong").textContent = address ?? "";
  if (address) now.recipients.show();
  else now.recipients.suggest(mode(), null);
  changed();
}

function passOn(message) {
  write("forward");
  now.message = message;
  now.recipients.clear(true);
  by("recipients").open = true;
  now.composer.elements.to.focus();
}

function chosen() {
  turn();
  if (mode() === "reply_all" || mode() === "reply") {
    if (now.message === null || by("answering").hidden) { now.message = null; now.recipients.named = false; }
    now.recipients.suggest(mode(), now.message);
  }
  showMode();
  if (!isEmpty()) changed();
}

function showAs() {
  const line = by("as");
  if (line) line.textContent = actingName() ? t("composer.js.as", { name: actingName() }) : t("frame.js.choose_agent");
}

// Leaving the page saves what a moment later would have been.
addEventListener("pagehide", leave);
