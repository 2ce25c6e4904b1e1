// The demo's controls; only there when the desk knows a demo.
import { newKey, say } from "./actions.js";

const post = (path, body) => fetch(path, {
  method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": newKey() }, body: JSON.stringify(body ?? {}),
});

export function startDemo() {
  const form = document.getElementById("demo-send");
  if (!form) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await post("/demo/send", Object.fromEntries(new FormData(form))).catch(() => null);
    if (answer?.ok) { form.elements.text.value = ""; say("Sent over SMTP. It shows here when it has come in."); }
    else say("The mail could not be sent.", true);
  });
  document.getElementById("demo-kill")?.addEventListener("click", async () => {
    const answer = await post("/demo/kill/router").catch(() => null);
    say(answer?.ok ? "The router was killed (SIGKILL). It comes back by itself." : "The router could not be killed.", !answer?.ok);
  });
  show();
  setInterval(show, 1000);
}

async function show() {
  const line = document.getElementById("demo-status");
  const answer = await fetch("/demo/status").catch(() => null);
  if (!answer?.ok) { line.textContent = "The demo does not answer."; return; }
  const { sent, in_conversations: inConversations, lag, router } = await answer.json();
  const parts = [`${sent} sent, ${inConversations} in conversations`];
  if (lag !== undefined) parts.push(`lag ${lag}`);
  if (router) parts.push(`router ${router}`);
  line.textContent = parts.join(" · ");
}
