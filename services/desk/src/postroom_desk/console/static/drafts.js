// The list of what one has begun to write: thrown away from there.
import { acting, busy, refusal, say, someoneActs } from "./actions.js";
import { call } from "./drafting.js";
import { t } from "./texts.js";

async function drop(row, address) {
  const { ok, said } = await call("DELETE", `${address}${address.includes("?") ? "&" : "?"}agent=${encodeURIComponent(acting())}`);
  if (!ok) { say(refusal(said), { bad: true }); return; }
  row.remove();
  say(t("answering.js.discarded"));
}

export function startDrafts() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-draft-drop]");
    if (button && someoneActs()) busy(button, () => drop(button.closest("li"), button.dataset.draftDrop));
  });
}
