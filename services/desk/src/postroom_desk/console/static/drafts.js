// The list of what one has begun to write: thrown away from there; one click brings it back.
import { acting, busy, refusal, say, someoneActs } from "./actions.js";
import { call } from "./drafting.js";
import { refresh } from "./live.js";
import { t } from "./texts.js";

function contentOf({ kind, text, html, subject, to, cc, bcc, attachments, inbox_id, mode, message_id, seen }) {
  const place = kind === "start" ? { inbox_id } : { mode, message_id, seen };
  return { text, html, subject, to, cc, bcc, attachments: attachments.map((f) => f.upload_id), ...place };
}

async function drop(row, href) {
  const address = `${href}${href.includes("?") ? "&" : "?"}agent=${encodeURIComponent(acting())}`;
  const { said: draft } = await call("GET", address);
  const { ok, said } = await call("DELETE", address);
  if (!ok) { say(refusal(said), { bad: true }); return; }
  row.remove();
  say(t("answering.js.discarded"), { undo: async () => {
    const back = await call("PUT", address, contentOf(draft));
    if (back.ok) refresh(document.getElementById("drafts"));
    else say(refusal(back.said), { bad: true });
    return back.ok;
  } });
}

export function startDrafts() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-draft-drop]");
    if (button && someoneActs()) busy(button, () => drop(button.closest("li"), button.dataset.draftDrop));
  });
}
