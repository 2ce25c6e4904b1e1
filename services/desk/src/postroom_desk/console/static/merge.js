// Merging: the target is looked for in a dialog; the address of the fragment says what for.
import { act, someoneActs } from "./actions.js";

const WAIT_MS = 200;
let timer = 0;

function look(words) {
  const id = document.getElementById("conversation").dataset.id;
  const address = `/panes/targets/${id}?q=${encodeURIComponent(words)}`;
  window.htmx?.ajax("GET", address, { source: document.getElementById("merge"), target: document.getElementById("targets"), swap: "outerHTML" });
}

export function startMerge() {
  const dialog = document.getElementById("merge");
  if (!dialog) return;
  const search = document.getElementById("merge-search");
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => look(search.value), WAIT_MS); });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-merge]") && someoneActs()) { search.value = ""; look(""); dialog.showModal(); document.getElementById("menu-more").open = false; }
    const target = event.target.closest("[data-target]")?.dataset.target;
    if (target) { dialog.close(); act("merge", { target_id: target }); }
  });
}
