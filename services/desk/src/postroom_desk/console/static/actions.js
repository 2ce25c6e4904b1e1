// Actions: every one is a request to the API, with what was seen (If-Match) and a key of its own (Idempotency-Key).
const head = () => document.getElementById("head");
const conversation = document.getElementById("conversation")?.dataset.id;
const agent = document.getElementById("agent");
const composer = document.getElementById("composer");
let seen = null; // what stood there when writing began: {etag, incoming}
let to = null; // address of a stranger who is answered on purpose; else the conversation says whom
let key = null; // of the text that is being sent: the same until it is sent, so that trying again sends it once

export function say(text, bad = false) {
  const toast = document.createElement("div");
  toast.className = bad ? "toast toast-bad" : "toast";
  toast.textContent = text;
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), bad ? 8000 : 3500);
}

export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

// Returns "done", "refused" (asking again is a new request) or "failed" (asking again with the same key is safe).
async function act(name, body, { etag = head()?.dataset.etag, idempotencyKey = newKey() } = {}) {
  if (!agent.value) { say("First choose whom you act as.", true); agent.focus(); return "refused"; }
  const headers = { "Content-Type": "application/json", "Idempotency-Key": idempotencyKey };
  if (etag) headers["If-Match"] = `"${etag}"`;
  try {
    const answer = await fetch(`/api/v1/conversations/${conversation}/${name}`, {
      method: "POST", headers, body: JSON.stringify({ agent: agent.value, ...body }),
    });
    const text = await answer.json();
    if (answer.status === 202) { say("Taken. It will show as soon as it is carried out."); return "done"; }
    if (answer.ok) return "done";
    const changed = (text.changed ?? []).map((c) => c.replaceAll("_", " ")).join(", ");
    say([text.detail ?? text.title, changed && `(${changed})`, ...(text.errors ?? []).map((e) => e.detail)].filter(Boolean).join(" "), true);
    return answer.status >= 500 ? "failed" : "refused";
  } catch {
    say("The desk does not answer. Nothing is lost: try again.", true);
    return "failed";
  }
}

async function busy(element, work) {
  if (element?.disabled) return;
  if (element) element.disabled = true;
  try { await work(); } finally { if (element) element.disabled = false; }
}

function until(when) {
  if (/^\d+$/.test(when)) return new Date(Date.now() + Number(when) * 1000);
  const day = new Date();
  day.setHours(9, 0, 0, 0);
  day.setDate(day.getDate() + (when === "monday" ? ((8 - day.getDay()) % 7 || 7) : 1));
  return day;
}

const POSTS = {
  tag: (form) => ["tag", { add: [form.get("tag").trim().toLowerCase()] }],
  assign: (form) => ["assign", { agent_id: form.get("agent_id") || null }],
  merge: (form) => ["merge", { target_id: form.get("target_id").trim() }],
};

export function startActions() {
  agent?.addEventListener("change", () => {
    document.cookie = `postroom_agent=${encodeURIComponent(agent.value)}; path=/; max-age=31536000; SameSite=Strict`;
    showAs();
    import("./live.js").then((live) => live.refresh());
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act], [data-snooze], [data-untag]");
    if (!button || !conversation) return;
    const { act: name, snooze, untag } = button.dataset;
    button.closest("details.menu")?.removeAttribute("open");
    if (name) busy(button, () => act(name, {}));
    else if (snooze) busy(button, () => act("snooze", { until: until(snooze).toISOString() }));
    else busy(button, () => act("tag", { remove: [untag] }));
  });
  document.addEventListener("submit", (event) => {
    const post = event.target.dataset.post;
    if (!post || !conversation) return;
    event.preventDefault();
    const form = event.target;
    busy(form.querySelector("button"), async () => {
      if (await act(...POSTS[post](new FormData(form))) === "done") { document.activeElement.blur(); form.reset(); form.closest("details")?.removeAttribute("open"); }
    });
  });
  if (composer) startComposer();
}

function startComposer() {
  const text = composer.elements.text;
  const draft = `postroom.draft.${conversation}`;
  text.value = sessionStorage.getItem(draft) ?? "";
  text.addEventListener("input", () => {
    sessionStorage.setItem(draft, text.value);
    key = null;
    if (!text.value.trim()) seen = null;
    else seen ??= look();
    onRefreshed();
  });
  composer.addEventListener("change", showMode);
  document.getElementById("written-seen").addEventListener("click", () => { seen = look(); onRefreshed(); text.focus(); });
  document.addEventListener("click", (event) => {
    const address = event.target.closest("[data-answer]")?.dataset.answer;
    if (address || event.target.id === "answering-not") answerTo(address ?? null);
  });
  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    send(text, draft, event.submitter);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) composer.requestSubmit(composer.querySelector(".primary"));
  });
  showMode();
  showAs();
}

function send(text, draft, button) {
  if (!text.value.trim()) { text.focus(); return; }
  const mode = composer.elements.mode.value;
  const body = { text: text.value };
  if (mode === "reply" && button?.value) body.then = button.value;
  if (mode === "reply" && to) body.to = [{ address: to }];
  key ??= newKey();
  busy(button, async () => {
    const result = await act(mode, body, { etag: (seen ?? look()).etag, idempotencyKey: key });
    if (result === "refused") key = null;
    if (result !== "done") return;
    text.value = "";
    sessionStorage.removeItem(draft);
    seen = key = null;
    answerTo(null);
    onRefreshed();
  });
}

function answerTo(address) {
  to = address;
  key = null;
  const line = document.getElementById("answering");
  line.hidden = !address;
  line.querySelector("strong").textContent = address ?? "";
  if (!address) return;
  composer.elements.mode.value = "reply";
  showMode();
  composer.elements.text.focus();
}

const look = () => ({ etag: head().dataset.etag, incoming: head().dataset.incoming });

function showMode() {
  const mode = composer.elements.mode.value;
  composer.dataset.mode = mode;
  composer.querySelector("[data-reply-only]").hidden = mode === "note";
  composer.querySelector(".primary").textContent = mode === "note" ? "Add note" : "Send";
}

function showAs() {
  const line = document.getElementById("as");
  if (line) line.textContent = agent.value ? `As ${agent.selectedOptions[0].textContent}` : "First choose whom you act as.";
}

// After live updates: tell who writes that somebody else did, instead of letting it go out over an unread message.
export function onRefreshed() {
  const note = document.getElementById("written");
  if (note) note.hidden = !(seen && composer.elements.mode.value === "reply" && seen.incoming !== head().dataset.incoming);
}
