// The command palette: Ctrl K (or Cmd K) finds a place, an action of the open conversation or a saved reply, by keys alone.
import { acting, say } from "./actions.js";
import { write } from "./composer.js";
import { call } from "./drafting.js";
import { savedReplies } from "./offers.js";
import { now } from "./sides.js";
import { t } from "./texts.js";

const MOST = 12;
const WAIT = 150;
const by = (id) => document.getElementById(id);
const plain = (text) => text.toLocaleLowerCase().normalize("NFD").replace(/\p{M}/gu, "").replace(/\s+/g, " ").trim();
const dialog = () => by("palette");
let places = null; // asked for once
let items = []; // what is shown: {label, group, run}
let shownFor = null; // for what was typed; null: nothing is shown yet
let at = 0;
let asking = null;

// What can be done to the conversation on the page: its own buttons, pressed from here.
function actions() {
  const found = [];
  const offer = (selector, name) => {
    for (const button of document.querySelectorAll(selector)) found.push({ group: t("palette.js.action"), label: name(button.textContent.trim()), run: () => button.click() });
  };
  offer("#head [data-act]", (text) => text);
  offer("#head [data-assign]", (text) => (text ? t("palette.js.assign", { name: text }) : ""));
  offer("#head [data-snooze]", (text) => t("palette.js.snooze", { when: text }));
  offer("#head [data-watch], #head [data-merge]", (text) => text);
  offer("#new", (text) => text || t("frame.help.new"));
  const composer = by("composer");
  if (composer?.dataset.sends === "true") found.push({ group: t("palette.js.action"), label: t("palette.js.reply"), run: () => write("reply") });
  if (composer) found.push({ group: t("palette.js.action"), label: t("palette.js.note"), run: () => write("note") });
  found.push({ group: t("palette.js.help"), label: by("help-title").textContent, run: () => by("help").showModal() });
  return found.filter((item) => item.label);
}

// How well an item fits the typed words; null: not at all. All words must begin something, or stand in it.
function fit(item, words) {
  const text = plain(`${item.label} ${item.group}`);
  let score = 0;
  for (const word of words) {
    const place = text.indexOf(word);
    if (place < 0) return null;
    score += place === 0 ? 0 : text.includes(` ${word}`) ? 1 : 2;
  }
  return score;
}

async function found(typed) {
  if (!places) {
    const { ok, said } = await call("GET", "/panes/palette");
    if (ok) places = said; // else it is asked for again
  }
  const words = plain(typed).split(" ").filter(Boolean);
  const all = [...actions(), ...(places ?? []).map((p) => ({ ...p, run: () => location.assign(p.href) }))];
  const fitting = all.map((item) => ({ item, score: fit(item, words) })).filter((f) => f.score !== null);
  const sorted = fitting.sort((a, b) => a.score - b.score).map((f) => f.item).slice(0, MOST);
  return [...sorted, ...(await replies(typed.trim()))].slice(0, MOST);
}

async function replies(typed) {
  const id = by("composer")?.closest("[data-id]")?.dataset.id;
  if (!id || typed.length < 2 || !acting()) return [];
  const source = savedReplies(`/api/v1/conversations/${id}`);
  return (await source.items(typed)).map((reply) => ({ group: t("composer.saved_replies"), label: reply.name, run: () => put(source, reply.id) }));
}

async function put(source, id) {
  const mine = now;
  const html = await source.take(id);
  if (html !== null && mine === now) mine.editor.put(html); // or another conversation is on the page by now
}

function show() {
  by("palette-list").replaceChildren(...items.map((item, n) => {
    const option = Object.assign(document.createElement("li"), { id: `palette-${n}`, role: "option", ariaSelected: String(n === at) });
    const group = Object.assign(document.createElement("span"), { className: "muted", textContent: item.group });
    option.append(Object.assign(document.createElement("span"), { textContent: item.label }), " ", group);
    option.addEventListener("mousedown", (event) => { event.preventDefault(); run(n); });
    return option;
  }));
  by("palette-nothing").textContent = items.length ? "" : t("palette.js.nothing");
  if (items.length) by("palette-q").setAttribute("aria-activedescendant", `palette-${at}`);
  else by("palette-q").removeAttribute("aria-activedescendant");
  by(`palette-${at}`)?.scrollIntoView({ block: "nearest" });
}

async function look() {
  const typed = by("palette-q").value;
  const answer = await found(typed);
  if (typed !== by("palette-q").value || !dialog().open) return;
  items = answer;
  shownFor = typed;
  at = 0;
  show();
}

// Enter means what was typed, and not what is shown for the words before it.
async function enter() {
  clearTimeout(asking);
  if (shownFor !== by("palette-q").value) await look();
  if (shownFor === by("palette-q").value && dialog().open) run(at);
}

function run(n) {
  const item = items[n];
  if (!item) return;
  dialog().close();
  Promise.resolve(item.run()).catch(() => say(t("frame.js.failed"), { bad: true }));
}

function open() {
  by("palette-q").value = "";
  items = [];
  shownFor = null;
  dialog().showModal();
  look();
}

function key(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && items.length) { event.preventDefault(); at = (at + step + items.length) % items.length; show(); }
  else if (event.key === "Enter") { event.preventDefault(); enter(); }
}

export function startPalette() {
  if (!dialog()) return;
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (dialog().open) dialog().close();
    else if (!document.querySelector("dialog[open]")) open();
  });
  by("palette-q").addEventListener("keydown", key);
  by("palette-q").addEventListener("input", () => { clearTimeout(asking); asking = setTimeout(look, WAIT); });
}
