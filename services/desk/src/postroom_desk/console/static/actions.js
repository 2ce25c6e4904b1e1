// Actions: every one is a request to the API, with what was seen (If-Match) and a key of its own (Idempotency-Key).
import { t } from "./texts.js";

const agent = document.getElementById("agent");

// Who acts: the person who is signed in, or whom the holder of a token has chosen.
export const acting = () => agent?.dataset.agent ?? agent?.value ?? "";
export const actingName = () => agent?.dataset.name ?? (agent?.value ? agent.selectedOptions[0].textContent : "");
// What a request that changes something carries: its token shows that it comes from a page of this session.
export const csrf = () => {
  const token = document.querySelector('meta[name="csrf-token"]')?.content;
  return token ? { "X-CSRF-Token": token } : {};
};
export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

// A short message; with `undo` a button that takes back what was done, or does what `label` says.
export function say(text, { bad = false, undo = null, label = t("frame.js.undo") } = {}) {
  const toast = document.createElement("div");
  toast.className = bad ? "toast toast-bad" : "toast";
  toast.append(text);
  const end = () => toast.remove();
  if (undo) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", async () => { end(); if (await undo()) say(t("frame.js.undone")); });
    toast.append(button);
  }
  const toasts = document.getElementById("toasts");
  while (toasts.children.length > 2) toasts.firstElementChild.remove();
  toasts.append(toast);
  let timer = setTimeout(end, bad || undo ? 8000 : 3500);
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", () => { timer = setTimeout(end, 3000); });
}

export async function busy(element, work) {
  if (element?.disabled) return;
  if (element) element.disabled = true;
  try { await work(); } finally { if (element) element.disabled = false; }
}

export function someoneActs() {
  if (acting()) return true;
  say(t("frame.js.choose_agent"), { bad: true });
  agent?.focus();
  return false;
}

const known = (key, values) => { const text = t(key, values); return text === key ? "" : text; };

// Why something was refused, in the page's language as far as it knows the reason.
export function refusal(said) {
  const owner = document.querySelector(`#folders [data-folder="person:${CSS.escape(said.owner_id ?? "")}"] .nav-text`)?.textContent;
  const why = (owner && known(`answering.js.refused.${said.reason}_by`, { name: owner })) || known(`answering.js.refused.${said.reason}`) || said.detail || said.title || t("frame.js.failed");
  const changed = (said.changed ?? []).map((code) => known(`answering.js.changed.${code}`) || code.replaceAll("_", " ")).join(", ");
  return [why, changed && `(${changed})`, ...(said.errors ?? []).map((e) => e.detail)].filter(Boolean).join(" ");
}

// One request of one conversation: {state: "done" | "refused" | "failed", text}. After "failed" asking again with the same key is safe.
export async function request(id, name, body, { etag, idempotencyKey = newKey() } = {}) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": idempotencyKey, ...csrf() };
  if (etag) headers["If-Match"] = `"${etag}"`;
  try {
    const answer = await fetch(`/api/v1/conversations/${id}/${name}`, {
      method: "POST", headers, body: JSON.stringify({ agent: acting(), ...body }),
    });
    const said = await answer.json();
    if (answer.status === 202) return { state: "done", text: t("frame.js.taken") };
    if (answer.ok) return { state: "done", text: "" };
    return { state: answer.status >= 500 ? "failed" : "refused", text: refusal(said) };
  } catch {
    return { state: "failed", text: t("frame.js.failed") };
  }
}

const shown = () => document.getElementById("conversation");
const head = () => document.getElementById("head");

// An action on the opened conversation; tells the outcome. Returns "done", "refused" or "failed".
export async function act(name, body, { etag = head()?.dataset.etag, idempotencyKey, quiet = false } = {}) {
  if (!someoneActs()) return "refused";
  const id = shown().dataset.id;
  const before = { ...head().dataset };
  const { state, text } = await request(id, name, body, { etag, idempotencyKey });
  if (state !== "done") say(text, { bad: true });
  else if (text) say(text);
  else if (!quiet) sayDone(name, body, id, before);
  return state;
}

function sayDone(name, body, id, before) {
  const back = undoOf(name, body, before);
  const key = `inbox.js.done.${name}`;
  if (t(key) === key) return;
  say(t(key), { undo: back && (async () => {
    const { state, text } = await request(id, back[0], back[1]);
    if (state !== "done") say(text, { bad: true });
    return state === "done";
  }) });
}

// The request that takes an action back, or null. Archiving a resolved one and merging cannot be taken back by one request.
function undoOf(name, body, before) {
  switch (name) {
    case "claim": case "assign": return ["assign", { agent_id: before.owner || null }];
    case "resolve": case "wait": case "snooze": return before.status === "open" ? ["reopen", {}] : null;
    case "archive": return before.status === "open" ? ["reopen", {}] : null;
    case "reopen": return { resolved: ["resolve", {}], waiting: ["wait", {}] }[before.status] ?? null;
    case "delete": return ["restore", {}];
    case "restore": return ["delete", {}];
    case "spam": return ["unspam", {}];
    case "unspam": return ["spam", {}];
    case "tag": return ["tag", { add: body.remove ?? [], remove: body.add ?? [] }];
    case "watch": return ["unwatch", {}];
    case "unwatch": return ["watch", {}];
    case "route": return ["route", Object.fromEntries(Object.keys(body).map((name) => [name, before[name.replace("_id", "")]]).filter(([, value]) => value))];
    default: return null;
  }
}

const words = (text) => (text ?? "").split(" ").filter(Boolean);

export function until(when) {
  if (/^\d+$/.test(when)) return new Date(Date.now() + Number(when) * 1000);
  const day = new Date();
  day.setHours(9, 0, 0, 0);
  day.setDate(day.getDate() + (when === "monday" ? ((8 - day.getDay()) % 7 || 7) : 1));
  return day;
}

// Of a form's choices those that differ from what the conversation has; all of them when none does: the API says what is wrong.
function changed(choices) {
  const before = head().dataset;
  const different = Object.entries(choices).filter(([name, value]) => value && before[name.replace("_id", "")] !== value);
  return different.length ? Object.fromEntries(different) : choices;
}

const POSTS = {
  tag: (form) => ["tag", { add: [form.get("tag").trim().toLowerCase()] }],
  route: (form) => ["route", changed({ inbox_id: form.get("inbox_id"), team_id: form.get("team_id"), priority: form.get("priority") })],
  merge: (form) => ["merge", { target_id: form.get("target_id").trim() }],
  snooze: (form) => ["snooze", { until: new Date(form.get("until")).toISOString() }],
};

function asked(button) {
  const { act: name, snooze, untag, assign, split } = button.dataset;
  if (name) return [name, {}];
  if (snooze) return ["snooze", { until: until(snooze).toISOString() }];
  if (untag) return ["tag", { remove: [untag] }];
  if (assign !== undefined) return ["assign", { agent_id: assign || null }];
  if (split) return ["split", { message_id: split }];
  return [words(head().dataset.watchers).includes(acting()) ? "unwatch" : "watch", {}];
}

export function startActions() {
  agent?.addEventListener("change", () => {
    document.cookie = `postroom_agent=${encodeURIComponent(agent.value)}; path=/; max-age=31536000; SameSite=Strict`;
    location.reload();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("#conversation :is([data-act], [data-snooze], [data-untag], [data-assign], [data-watch], [data-split])");
    if (!button) return;
    const menu = button.closest("details.menu");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
    if (someoneActs()) busy(button, () => act(...asked(button)));
  });
  document.addEventListener("submit", (event) => {
    const post = event.target.dataset.post;
    if (!post || !shown()?.contains(event.target)) return;
    event.preventDefault();
    const form = event.target;
    const values = new FormData(form);
    document.activeElement.blur(); // the next key is a command again
    busy(form.querySelector("button"), async () => {
      if (await act(...POSTS[post](values)) === "done") { form.reset(); form.closest("details.menu")?.removeAttribute("open"); }
    });
  });
}
