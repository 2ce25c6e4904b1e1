// The demo's controls; only there when the desk knows a demo.
import { csrf, newKey, say } from "./actions.js";
import { t } from "./texts.js";

const post = (path, body) => fetch(path, {
  method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": newKey(), ...csrf() }, body: JSON.stringify(body ?? {}),
});

export function startDemo() {
  const form = document.getElementById("demo-send");
  if (!form) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await post("/demo/send", Object.fromEntries(new FormData(form))).catch(() => null);
    if (answer?.ok) { form.elements.text.value = ""; say(t("overview.js.sent")); }
    else say(t("overview.js.not_sent"), { bad: true });
  });
  document.getElementById("demo-kill")?.addEventListener("click", async () => {
    const answer = await post("/demo/kill/router").catch(() => null);
    say(t(answer?.ok ? "overview.js.killed" : "overview.js.not_killed"), { bad: !answer?.ok });
  });
  show();
  setInterval(show, 1000);
}

async function show() {
  const line = document.getElementById("demo-status");
  const answer = await fetch("/demo/status").catch(() => null);
  if (!answer?.ok) { line.textContent = t("overview.js.away"); return; }
  const { sent, in_conversations: inConversations, lag, router } = await answer.json();
  const parts = [t("overview.js.status", { sent, placed: inConversations })];
  if (lag !== undefined) parts.push(t("overview.js.lag", { lag }));
  if (router) parts.push(t("overview.js.router", { state: router }));
  line.textContent = parts.join(" · ");
}
