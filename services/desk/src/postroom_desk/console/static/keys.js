// Keys: never while somebody types, nor right after a field in which they did was taken from them; and never of a conversation that
// is about to be replaced by the one that was chosen.
import { beginning, choosing, keeps, startArriving } from "./arriving.js";
import { anyPicked, pick, unpick } from "./bulk.js";
import { write } from "./composer.js";

const OPEN_AFTER_MS = 140;
const TYPES_ON_MS = 1500; // who has typed so lately has not noticed yet that their field is gone
const FIELD = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
const links = () => [...document.querySelectorAll("#rows .row > a")];
const press = (selector) => document.querySelector(selector)?.click();
let opening = 0;
let place = null; // {list, n, path}: where one was in which list, at which conversation; another row may stand there since
let typedAt = -Infinity;

function here() {
  const all = links();
  const focused = all.indexOf(document.activeElement?.closest?.(".row")?.querySelector(":scope > a"));
  return focused >= 0 ? focused : all.findIndex((link) => link.hasAttribute("aria-current"));
}

const listed = () => document.getElementById("list")?.dataset.query;

function keepPlace() {
  const n = here();
  if (n >= 0) place = { list: listed(), n, path: links()[n].pathname };
}

// The row that is meant: the list may just have been drawn anew, without focus, after its conversation was left.
function meant() {
  const all = links();
  return (all[here()] ?? (place?.list === listed() ? all.find((link) => link.pathname === place.path) : null))?.closest(".row");
}

function move(step) {
  const all = links();
  if (!all.length) return;
  const from = here();
  const gone = from < 0 && place?.list === listed(); // the next one took its place
  const to = gone ? place.n + Math.min(step, 0) : from + step;
  const n = Math.min(all.length - 1, Math.max(0, to));
  const next = all[n];
  place = { list: listed(), n, path: next.pathname };
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  // With a conversation beside the list, moving reads on.
  clearTimeout(opening);
  const opens = document.getElementById("conversation").hasAttribute("data-open") && !next.hasAttribute("aria-current");
  choosing(opens);
  if (opens) opening = setTimeout(() => { choosing(false); next.click(); }, OPEN_AFTER_MS);
}

function menu(id) {
  const details = document.getElementById(id);
  if (!details) return;
  details.open = true;
  details.querySelector("input, .menu-items button")?.focus();
}

function tag() {
  const input = document.getElementById("tag-new");
  if (input && !input.offsetParent) press("#facts-toggle");
  input?.focus();
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  u: () => press("#conversation [data-back], .page [data-back]"),
  r: () => write("reply"),
  n: () => write("note"),
  w: () => { press("#new"); beginning(); },
  c: () => press('#head [data-act="claim"]'),
  e: () => press(anyPicked() ? '#bulk [data-bulk="resolve"]' : '#head [data-act="resolve"]'),
  a: () => (anyPicked() ? document.querySelector("#bulk select").focus() : menu("menu-assign")),
  s: () => menu("menu-snooze"),
  t: () => (anyPicked() ? document.querySelector("#bulk input").focus() : tag()),
  x: () => pick(meant()),
  b: () => press("#bell"),
  "/": () => document.getElementById("search")?.focus(),
  "?": () => document.getElementById("help").showModal(),
};

function escape(event) {
  const open = document.querySelector("details.menu[open]");
  if (open) { open.open = false; open.querySelector("summary").focus(); }
  else if (event.target.matches("textarea, input, [contenteditable]")) event.target.blur();
  else if (anyPicked()) unpick();
}

// Their field was taken from them (a colleague took the draft over, another page came): they type on, and mean no command.
function typesOn(event) {
  if (performance.now() - typedAt > TYPES_ON_MS || event.key.length !== 1) return false;
  typedAt = performance.now();
  return true;
}

function onKey(event) {
  if (event.key === "Escape" && !event.target.closest("dialog")) escape(event);
  const field = event.target.closest(`${FIELD}, dialog[open]`);
  const command = event.ctrlKey || event.metaKey || event.altKey;
  const types = !command && field?.matches(FIELD) && (event.key.length === 1 || (event.key === "Enter" && field.isContentEditable));
  if (field || ["Escape", "Enter"].includes(event.key)) typedAt = types ? performance.now() : -Infinity;
  if (command || field) return;
  if (typesOn(event) || keeps(event)) { event.preventDefault(); return; }
  keepPlace();
  const run = KEYS[event.key];
  if (run) { event.preventDefault(); run(); }
}

export function startKeys() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("pointerdown", () => { typedAt = -Infinity; });
  startArriving((key) => KEYS[key]?.());
}
