// The page's script: shows times in the reader's zone, follows live updates, carries out actions, moves by keys.
import { startActions } from "./actions.js";
import { startBell } from "./bell.js";
import { startBulk } from "./bulk.js";
import { startComposer } from "./composer.js";
import { startDemo } from "./demo.js";
import { startDrafts } from "./drafts.js";
import { startKeys } from "./keys.js";
import { markRead, startFilters } from "./filters.js";
import { follow, prepareHtmx, refresh } from "./live.js";
import { startErasing } from "./erasing.js";
import { startMerge } from "./merge.js";
import { startMerged } from "./merged.js";
import { startNavigation } from "./nav.js";
import { startPictures } from "./pictures.js";
import { startScheduled } from "./scheduled.js";
import { startPalette } from "./palette.js";
import { startPresence } from "./presence.js";
import { onRefreshed } from "./sides.js";
import { startNew } from "./start.js";
import { showTimes } from "./times.js";

// How it looks, in which language, in which zone: kept in this browser.
const remember = (name, value) => { document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; SameSite=Strict`; };
remember("postroom_zone", Intl.DateTimeFormat().resolvedOptions().timeZone);
const theme = document.getElementById("theme");
if (theme) theme.querySelector(`[value="${document.documentElement.dataset.theme ?? "auto"}"]`).checked = true;
theme?.addEventListener("change", (event) => {
  if (event.target.value === "auto") { delete document.documentElement.dataset.theme; localStorage.removeItem("postroom.theme"); return; }
  document.documentElement.dataset.theme = event.target.value;
  localStorage.setItem("postroom.theme", event.target.value);
});
document.getElementById("language")?.addEventListener("change", (event) => {
  remember("postroom_language", event.target.value);
  location.reload();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// A frame is loaded when it is first looked at, which may have been before this script came.
function loadFrame(details) {
  const frame = details.open && details.querySelector?.("iframe[data-src]");
  if (frame && !frame.src) frame.src = frame.dataset.src;
}
for (const details of document.querySelectorAll("details.html[open]")) loadFrame(details);
document.addEventListener("toggle", (event) => {
  loadFrame(event.target);
  if (event.target.open && event.target.matches("details.menu")) event.target.querySelector("input[type=search]")?.focus();
}, true);

// One menu at a time; a click elsewhere closes it.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  if (event.target.closest("#facts-toggle")) {
    const { id } = document.getElementById("conversation").dataset;
    factsOf = factsOf === id ? "" : id;
    showFacts();
  }
});

// On a narrow page what is known beside a conversation is shown when it is asked for, and stays while that moves.
let factsOf = "";
function showFacts() {
  const opened = document.getElementById("conversation");
  const shown = Boolean(opened?.dataset.id) && opened.dataset.id === factsOf;
  opened?.classList.toggle("facts-shown", shown);
  document.getElementById("facts-toggle")?.setAttribute("aria-expanded", String(shown));
}
document.addEventListener("postroom:shown", showFacts);

// A filter narrows the buttons of its menu, also those that a live update brings; Enter takes the first.
function narrow(filter) {
  const wanted = filter.value.toLocaleLowerCase();
  for (const button of filter.parentElement.querySelectorAll("[data-assign]")) button.hidden = !button.textContent.toLocaleLowerCase().includes(wanted);
}
document.addEventListener("input", (event) => { if (event.target.matches("[data-filter]")) narrow(event.target); });
document.addEventListener("postroom:shown", () => { for (const filter of document.querySelectorAll("[data-filter]")) if (filter.value) narrow(filter); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("[data-filter]")) { event.preventDefault(); event.target.parentElement.querySelector("[data-assign]:not([hidden])")?.click(); }
});

const help = document.getElementById("help");
document.getElementById("help-open")?.addEventListener("click", () => help.showModal());

document.addEventListener("postroom:shown", () => { onRefreshed(); markRead(); });
document.addEventListener("visibilitychange", markRead);
addEventListener("load", markRead, { once: true });
showTimes();
setInterval(showTimes, 5000);
startActions();
startBell();
startBulk();
startComposer();
startNew();
startKeys();
startDemo();
startDrafts();
startErasing();
startMerge();
startFilters();
prepareHtmx();
startNavigation();
startMerged();
startScheduled();
startPalette();
startPresence();
startPictures();
follow();
// What was left out so that the page shows first: the counts of the folders.
for (const late of document.querySelectorAll("[data-late]")) refresh(late);
