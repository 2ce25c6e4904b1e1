// The page's script: shows times in the reader's zone, follows live updates, carries out actions, moves by keys.
import { follow } from "./live.js";
import { startActions } from "./actions.js";
import { startKeys } from "./keys.js";
import { showTimes } from "./times.js";
import { startDemo } from "./demo.js";

const theme = document.getElementById("theme");
theme?.addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("postroom.theme", next);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// A frame is loaded when it is first looked at.
document.addEventListener("toggle", (event) => {
  const frame = event.target.open && event.target.querySelector("iframe[data-src]");
  if (frame && !frame.src) frame.src = frame.dataset.src;
}, true);

// One menu at a time; a click elsewhere closes it.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

const help = document.getElementById("help");
document.getElementById("help-open")?.addEventListener("click", () => help.showModal());

showTimes();
setInterval(showTimes, 5000);
startActions();
startKeys();
startDemo();
follow();
