// Erasing a person: the form says whom; their address has to be typed, and only then anything is asked for.
import { acting, busy, csrf, newKey, say, someoneActs } from "./actions.js";
import { t } from "./texts.js";

const typed = (form) => form.elements.confirm.value.trim().toLowerCase();

async function erase(form) {
  const answer = await fetch(`/api/v1/contacts/${encodeURIComponent(form.dataset.erase)}/erase`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": newKey(), ...csrf() },
    body: JSON.stringify({ agent: acting(), whole: form.elements.whole.checked }),
  }).catch(() => null);
  if (!answer) return say(t("frame.js.failed"), { bad: true });
  const said = await answer.json();
  if (!answer.ok) return say(said.detail ?? said.title, { bad: true });
  say(t("erasing.js.taken"));
  // The form makes room for how far it is, which asks for itself again until it is done.
  const progress = document.createElement("div");
  form.replaceWith(progress);
  const address = `/panes/erasure/${encodeURIComponent(said.contact_id)}?asked=${encodeURIComponent(said.request_id)}`;
  await window.htmx?.ajax("GET", address, { source: document.body, target: progress, swap: "outerHTML" });
}

export function startErasing() {
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-erase]");
    if (form) form.querySelector("button").disabled = typed(form) !== form.dataset.address.toLowerCase();
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-erase]");
    if (!form) return;
    event.preventDefault();
    if (typed(form) === form.dataset.address.toLowerCase() && someoneActs()) busy(form.querySelector("button"), () => erase(form));
  });
}
