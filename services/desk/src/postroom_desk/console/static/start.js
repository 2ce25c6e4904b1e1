// Writing first. Until it is sent it is kept in this tab.
import { acting, busy, csrf, newKey, refusal, say, someoneActs } from "./actions.js";
import { call } from "./drafting.js";
import { Editor } from "./editor.js";
import { Files, takeDrops } from "./files.js";
import { go } from "./nav.js";
import { addresses } from "./recipients.js";
import { t } from "./texts.js";

const KEPT = "postroom.new";
const FIELDS = ["inbox_id", "to", "cc", "subject"];
const by = (id) => document.getElementById(id);
const kept = () => { try { return JSON.parse(sessionStorage.getItem(KEPT)); } catch { return null; } };

export function startNew() {
  const form = by("new-conversation");
  if (!form || form.dataset.started) return;
  form.dataset.started = "true";
  const mine = { form, key: null, known: [] };
  const changed = () => { mine.key = null; keep(mine); };
  const bring = (files, inline) => mine.files.bring(files, inline);
  mine.files = new Files(by("new-files"), { changed, picture: (upload) => mine.editor.picture(upload) });
  mine.editor = new Editor(by("new-text"), { changed, bring });
  takeDrops(form, bring);
  by("new-attach").addEventListener("change", (event) => { bring([...event.target.files], false); event.target.value = ""; });
  for (const button of form.querySelectorAll("[data-format]")) {
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => mine.editor.format(button.dataset.format));
  }
  form.addEventListener("input", (event) => { if (FIELDS.includes(event.target.name)) changed(); if (event.target.matches("[list]")) suggest(mine, event.target); });
  form.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); } });
  form.addEventListener("submit", (event) => { event.preventDefault(); busy(by("new-send"), () => send(mine)); });
  restore(mine, kept());
  (form.elements.to.value ? by("new-text") : form.elements.to).focus();
}

function keep({ form, editor, files }) {
  const values = Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value]));
  try { sessionStorage.setItem(KEPT, JSON.stringify({ values, html: editor.html, files: files.done })); } catch { /* no room: it is in the page */ }
}

function restore({ form, editor, files }, content) {
  if (!content) return;
  for (const name of FIELDS) if (content.values[name]) form.elements[name].value = content.values[name];
  if (!form.elements.inbox_id.value) form.elements.inbox_id.selectedIndex = 0;
  editor.set(Editor.nodes(content.html, "", content.files));
  files.show(content.files);
}

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

async function send(mine) {
  const { form, editor, files, known } = mine;
  if (!someoneActs()) return;
  const to = addresses(form.elements.to.value, known);
  if (!to.length) { form.elements.to.focus(); say(t("answering.js.no_address"), { bad: true }); return; }
  if (editor.isEmpty) { by("new-text").focus(); return; }
  if (files.waiting) { say(t("composer.js.still_uploading"), { bad: true }); return; }
  mine.key ??= newKey();
  const body = {
    agent: acting(), inbox_id: form.elements.inbox_id.value, to, cc: addresses(form.elements.cc.value, known), subject: form.elements.subject.value.trim(),
    html: editor.html, text: editor.text, attachments: files.done.map((f) => f.upload_id), undo_seconds: Number(form.dataset.undo),
  };
  const { ok, status, said } = await call("POST", "/api/v1/conversations", body, { "Idempotency-Key": mine.key, ...csrf() });
  if (!ok) { if (status < 500 && status) mine.key = null; say(refusal(said), { bad: true }); return; }
  sessionStorage.removeItem(KEPT);
  say(t("composer.js.sent"));
  if (form.isConnected) go(`/conversations/${said.conversation_id}${location.search}`);
}
