// Who begins to answer what nobody has takes it, or is asked: so that two do not answer the same.
import { act, busy, request, say } from "./actions.js";
import { t } from "./texts.js";

const FREE = new Set(["open", "waiting", "snoozed"]);
const head = () => document.getElementById("head");
const offer = () => document.getElementById("offer");
let begun = ""; // the conversation that was taken or offered already

const isFree = () => Boolean(head()) && !head().dataset.owner && FREE.has(head().dataset.status);

// Called while a reply is written. `how`: "claim", "offer" or "never".
export async function onWriting(id, how) {
  if (how === "never" || begun === id || !isFree()) return;
  begun = id;
  if (how === "offer") { offer().hidden = false; return; }
  if (await act("claim", {}, { quiet: true }) !== "done") return;
  say(t("answering.js.claimed"), { undo: async () => {
    const { state, text } = await request(id, "assign", { agent_id: null });
    if (state !== "done") say(text, { bad: true });
    return state === "done";
  } });
}

// After live updates: who has it now need not be asked.
export function onOwner() { if (offer() && !isFree()) offer().hidden = true; }

export function startClaiming() {
  begun = "";
  document.getElementById("offer-take")?.addEventListener("click", (event) => busy(event.target, async () => {
    await act("claim", {});
    offer().hidden = true;
  }));
}
