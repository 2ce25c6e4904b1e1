// Replies that wait for their time: taken back, or taken back to be changed, when their text becomes the conversation's draft again.
import { busy, say, someoneActs } from "./actions.js";
import { call } from "./drafting.js";
import { t } from "./texts.js";

async function takeBack({ conversation, etag }, message) {
  const path = `/api/v1/conversations/${conversation}/messages/${message}/cancel`;
  const { ok, said } = await call("POST", path, {}, { "If-Match": `"${etag}"` });
  if (!ok || said.result === "too_late") { say(said.detail ?? t("composer.js.too_late"), { bad: true }); return false; }
  if (said.result === "pending") { say(t("frame.js.taken")); return false; }
  return true;
}

async function change(data, message) {
  if (!(await takeBack(data, message))) return;
  const { ok, said } = await call("POST", `/api/v1/conversations/${data.conversation}/draft/from/${message}`, {});
  if (!ok) { say(said.detail ?? t("frame.js.failed"), { bad: true }); return; }
  location.assign(`/conversations/${data.conversation}`);
}

async function drop(data, message) {
  if (!(await takeBack(data, message))) return;
  document.getElementById(`reply-${message}`)?.remove();
  say(t("scheduled.js.cancelled"));
}

export function startScheduled() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-scheduled-edit], [data-scheduled-cancel]");
    if (!button || !someoneActs()) return;
    const { scheduledEdit, scheduledCancel } = button.dataset;
    busy(button, () => (scheduledEdit ? change(button.dataset, scheduledEdit) : drop(button.dataset, scheduledCancel)));
  });
}
