// Moving between panes: the address always says what is shown, so that links, reload and the back button work.
import { say } from "./actions.js";
import { startComposer } from "./composer.js";
import { startNew } from "./start.js";
import { show } from "./live.js";
import { t } from "./texts.js";

const NEAR = 60; // pixels from the end at which somebody still follows it
const OPENED = /^\/conversations\/([^/]+)$/;
const pane = (id) => document.getElementById(id);
const openedId = () => OPENED.exec(location.pathname)?.[1] ?? "";
const narrow = matchMedia("(max-width: 860px)");
let home = "";

// How far each list was scrolled, for who comes back to it.
const PLACES = "postroom.places";
const places = new Map(JSON.parse(sessionStorage.getItem(PLACES) ?? "[]"));
let wanted = null; // {query, top}: set as soon as that list is there

function keepPlace() {
  const list = pane("list");
  if (!wanted) places.set(list.dataset.query, list.scrollTop);
}

function takePlace() {
  const list = pane("list");
  if (!wanted || list.dataset.src !== `/panes/list${wanted.query}`) return;
  list.scrollTop = wanted.top;
  wanted = null;
}

// Goes to an address of the inbox without leaving the page.
export function go(address) {
  history.pushState({ htmx: true }, "", address);
  restore(false);
}

// The address without what names messages of a thread: what is left says which list it is.
const OF_THREAD = ["first", "last", "message"];
function listQuery() {
  const asked = new URLSearchParams(location.search);
  if (!OF_THREAD.some((name) => asked.has(name))) return location.search;
  for (const name of OF_THREAD) asked.delete(name);
  return asked.size ? `?${asked}` : "";
}

// Shows what the address says: only the panes that differ are asked for; `back`: where they were.
function restore(back) {
  const query = location.pathname === "/" ? home : listQuery();
  const list = pane("list");
  if (location.pathname === "/search" && query !== list.dataset.query) { location.reload(); return; }
  if (query && query !== list.dataset.query) {
    list.dataset.query = query;
    list.scrollTop = 0;
    wanted = { query, top: (back && places.get(query)) || 0 };
    show(list, `/panes/list${query}`);
    show(pane("folders"), `/panes/folders${query}`);
  }
  const id = openedId();
  const here = pane("conversation");
  if ((here.dataset.id ?? "") !== id) window.htmx.ajax("GET", `/panes/conversation${id && `/${id}`}${id ? location.search : query}`, { source: pane("main"), target: here, swap: "outerHTML" });
}

function mark() {
  const id = openedId();
  for (const link of document.querySelectorAll("#rows .row > a")) {
    if (link.parentElement.dataset.id === id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

function shown() {
  mark();
  startComposer();
  startNew();
  const here = pane("conversation");
  if (!/^\/folders/.test(location.pathname)) document.querySelector(".shell").dataset.view = here.dataset.id ? "conversation" : "list";
  const title = here.dataset.title ?? pane("list-title").textContent;
  document.title = t("frame.js.page_title", { title });
}

// The message that the address names; one that the page does not show is asked for.
function toNamed() {
  const named = /^#m-(.+)$/.exec(location.hash)?.[1];
  if (!named || !pane("thread")) return;
  const there = pane(`m-${named}`);
  const asked = new URLSearchParams(location.search);
  if (there) { there.scrollIntoView({ block: "start" }); there.focus({ preventScroll: true }); return; }
  if (asked.get("message") === named) return;
  asked.set("message", named);
  location.replace(`${location.pathname}?${asked}${location.hash}`);
}

// More of a long thread: what is being read stays where it is.
let kept = null; // {message, top}
function showMore(link) {
  const message = [...document.querySelectorAll("#messages > .message")].find((m) => m.getBoundingClientRect().bottom > 0);
  kept = message && { id: message.id, top: message.getBoundingClientRect().top };
  show(pane("conversation"), link.dataset.show);
}

function keepMessage() {
  const message = kept && pane(kept.id);
  if (!message) return;
  pane("thread").scrollTop += message.getBoundingClientRect().top - kept.top;
  if (document.activeElement === document.body) message.focus({ preventScroll: true });
  kept = null;
}

// A conversation is opened at its newest message, unless the address names one.
function toNewest() {
  const thread = pane("thread");
  if (location.hash) toNamed();
  if (!thread || location.hash) return;
  let newest = true;
  const follow = () => { if (newest) thread.scrollTop = thread.scrollHeight; };
  follow();
  // What is below grows when the composer has its draft, and when somebody writes: whoever is at the end stays there.
  const grown = new ResizeObserver(follow);
  for (const part of thread.children) grown.observe(part);
  thread.addEventListener("scroll", () => { newest = thread.scrollHeight - thread.scrollTop - thread.clientHeight < NEAR; }, { passive: true });
}

let was = "";
function onShown() {
  if (!pane("list")) return;
  takePlace();
  shown();
  keepMessage();
  const id = pane("conversation").dataset.id ?? "";
  if (id + location.hash !== was) toNewest();
  if (id !== was.split("#")[0] && narrow.matches) (id ? pane("subject") : pane("main"))?.focus();
  was = id + location.hash;
}

export function startNavigation() {
  document.addEventListener("htmx:before:swap", (event) => {
    const { response } = event.detail.ctx;
    const page = response?.headers?.get("content-type")?.includes("text/html");
    if (response && !page) {
      event.preventDefault();
      if (response.status >= 500) say(t("frame.js.failed"), { bad: true });
    }
  });
  if (!pane("list") || !window.htmx) return;
  home = location.pathname === "/" ? pane("list").dataset.query : "";
  was = (pane("conversation").dataset.id ?? "") + location.hash;
  history.replaceState({ htmx: true }, "");
  document.addEventListener("htmx:before:history:restore", (event) => event.preventDefault());
  addEventListener("popstate", () => restore(true));
  document.addEventListener("scroll", (event) => { if (event.target === pane("list")) keepPlace(); }, { capture: true, passive: true });
  addEventListener("pagehide", () => sessionStorage.setItem(PLACES, JSON.stringify([...places].slice(-20))));
  const [{ type }] = performance.getEntriesByType("navigation");
  if (type === "reload" || type === "back_forward") pane("list").scrollTop = places.get(pane("list").dataset.query) ?? 0;
  document.addEventListener("postroom:shown", onShown);
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const more = event.target.closest("[data-show]");
    if (more) { event.preventDefault(); showMore(more); return; }
    const link = event.target.closest("#folders a:not([data-whole])");
    if (!link || narrow.matches || pane("list").hasAttribute("data-search")) return;
    event.preventDefault();
    go(link.getAttribute("href"));
  });
  shown();
  toNewest();
}
