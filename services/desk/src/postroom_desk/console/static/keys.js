// Keys: never while somebody types.
import { anyPicked, pick, unpick } from "./bulk.js";
import { write } from "./composer.js";

const OPEN_AFTER_MS = 140;
const links = () => [...document.querySelectorAll("#rows .row > a")];
const press = (selector) => document.querySelector(selector)?.click();
let opening = 0;

function here() {
  const all = links();
  const focused = all.indexOf(document.activeElement?.closest?.(".row")?.querySelector(":scope > a"));
  return focused >= 0 ? focused : all.findIndex((link) => link.hasAttribute("aria-current"));
}

function move(step) {
  const all = links();
  if (!all.length) return;
  const next = all[Math.min(all.length - 1, Math.max(0, here() + step))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  // With a conversation beside the list, moving reads on.
  clearTimeout(opening);
  if (document.getElementById("conversation").hasAttribute("data-open") && !next.hasAttribute("aria-current")) opening = setTimeout(() => next.click(), OPEN_AFTER_MS);
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
  w: () => press("#new"),
  c: () => press('#head [data-act="claim"]'),
  e: () => press(anyPicked() ? '#bulk [data-bulk="resolve"]' : '#head [data-act="resolve"]'),
  a: () => (anyPicked() ? document.querySelector("#bulk select").focus() : menu("menu-assign")),
  s: () => menu("menu-snooze"),
  t: () => (anyPicked() ? document.querySelector("#bulk input").focus() : tag()),
  x: () => pick(links()[here()]?.closest(".row")),
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

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.target.closest("dialog")) escape(event);
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, dialog[open], [contenteditable]")) return;
    const run = KEYS[event.key];
    if (run) { event.preventDefault(); run(); }
  });
}
