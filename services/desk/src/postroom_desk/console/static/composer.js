// The composer: reply and note. It tells who writes that somebody else did, instead of letting it go out over an unread message.
import { act, actingName, busy, newKey } from "./actions.js";
import { t } from "./texts.js";

let seen = null; // what stood there when writing began: {etag, incoming}
let to = null; // address of a stranger who is answered on purpose; else the conversation says whom
let key = null; // of the text that is being sent: the same until it is sent, so that trying again sends it once

const head = () => document.getElementById("head");
const form = () => document.getElementById("composer");
const look = () => ({ etag: head().dataset.etag, incoming: head().dataset.incoming });
const draftOf = (composer) => `postroom.draft.${composer.closest("[data-id]").dataset.id}`;

// Called when a conversation has been put on the page: once for each composer.
export function startComposer() {
  const composer = form();
  if (!composer || composer.dataset.started) return;
  composer.dataset.started = "true";
  seen = to = key = null;
  const text = composer.elements.text;
  text.value = sessionStorage.getItem(draftOf(composer)) ?? "";
  if (text.value.trim()) seen = look();
  text.addEventListener("input", () => {
    sessionStorage.setItem(draftOf(composer), text.value);
    key = null;
    if (!text.value.trim()) seen = null;
    else seen ??= look();
    onRefreshed();
  });
  composer.addEventListener("change", showMode);
  document.getElementById("written-seen").addEventListener("click", () => { seen = look(); onRefreshed(); text.focus(); });
  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    send(composer, event.submitter);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) composer.requestSubmit(composer.querySelector(".primary"));
  });
  showMode();
  showAs();
}

// The keys `r` and `n`, and whoever else wants to write.
export function write(mode) {
  const composer = form();
  if (!composer) return;
  composer.elements.mode.value = mode;
  showMode();
  composer.elements.text.focus();
}

document.addEventListener("click", (event) => {
  const address = event.target.closest("[data-answer]")?.dataset.answer;
  if (address || event.target.id === "answering-not") answerTo(address ?? null);
});
document.addEventListener("postroom:acting", showAs);

function send(composer, button) {
  const text = composer.elements.text;
  if (!text.value.trim()) { text.focus(); return; }
  const mode = composer.elements.mode.value;
  const body = { text: text.value };
  if (mode === "reply" && button?.value) body.then = button.value;
  if (mode === "reply" && to) body.to = [{ address: to }];
  key ??= newKey();
  busy(button, async () => {
    const result = await act(mode, body, { etag: (seen ?? look()).etag, idempotencyKey: key });
    if (result === "refused") key = null;
    if (result !== "done") return;
    text.value = "";
    sessionStorage.removeItem(draftOf(composer));
    seen = key = null;
    answerTo(null);
    onRefreshed();
  });
}

function answerTo(address) {
  to = address;
  key = null;
  const line = document.getElementById("answering");
  if (!line) return;
  line.hidden = !address;
  line.querySelector("strong").textContent = address ?? "";
  if (address) write("reply");
}

function showMode() {
  const composer = form();
  const mode = composer.elements.mode.value;
  composer.dataset.mode = mode;
  composer.querySelector("[data-reply-only]").hidden = mode === "note";
  composer.querySelector(".primary").textContent = t(mode === "note" ? "composer.js.add_note" : "composer.js.send");
}

function showAs() {
  const line = document.getElementById("as");
  if (line) line.textContent = actingName() ? t("composer.js.as", { name: actingName() }) : t("frame.js.choose_agent");
}

// After live updates of the conversation.
export function onRefreshed() {
  const note = document.getElementById("written");
  if (note) note.hidden = !(seen && form().elements.mode.value === "reply" && seen.incoming !== head().dataset.incoming);
}
