// Who is where: this page says what it shows every five seconds and at once when that changes; the others' avatars move live.
import { acting, csrf } from "./actions.js";
import { t } from "./texts.js";

const BEAT_MS = 5000;
const TYPING_MS = 4000; // who has not touched a key for so long no longer types
const consoleId = [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("");
const people = new Map(); // agent id: {name, state, at: [{conversation_id, doing}]}
let said = "";
let typedAt = -Infinity;

function present() {
  const state = document.hidden ? "away" : "online";
  const id = document.querySelector("#conversation[data-open]:has(#head)")?.dataset.id;
  if (document.hidden || !id) return { state, doing: "none" };
  const writes = performance.now() - typedAt < TYPING_MS && document.getElementById("composer")?.dataset.mode !== "note";
  return { state, doing: writes ? "typing" : "viewing", conversation_id: id };
}

function say(what = present()) {
  if (!acting()) return;
  said = JSON.stringify(what);
  const body = JSON.stringify({ agent: acting(), console_id: consoleId, ...what });
  const headers = { "Content-Type": "application/json", "X-By-Itself": "1", ...csrf() };
  fetch("/api/v1/presence", { method: "POST", keepalive: true, headers, body }).catch(() => {});
}

function changed() { if (JSON.stringify(present()) !== said) say(); }

function heard(event) {
  const { whole, agents } = JSON.parse(event.detail.data);
  if (whole) people.clear();
  for (const { agent_id: id, ...person } of agents) {
    if (person.state === "offline") people.delete(id);
    else people.set(id, person);
  }
  draw();
}

// Who else replies in the conversation that is open: their text is followed.
function tell(at) {
  const id = document.querySelector("#conversation[data-open]")?.dataset.id;
  const typing = (at.get(id) ?? []).some((person) => person.doing === "typing");
  document.dispatchEvent(new CustomEvent("postroom:typing", { detail: { id, typing } }));
}

function draw() {
  const at = new Map();
  for (const [id, person] of people) {
    if (id === acting()) continue;
    for (const there of person.at) at.set(there.conversation_id, [...(at.get(there.conversation_id) ?? []), { ...person, doing: there.doing }]);
  }
  tell(at);
  for (const place of document.querySelectorAll("[data-here]")) {
    const marks = (at.get(place.dataset.here) ?? []).map((person) => mark(person, "named" in place.dataset));
    if (marks.map((m) => m.outerHTML).join("") !== place.innerHTML) place.replaceChildren(...marks);
  }
}

function mark({ name, doing }, named) {
  const text = t(doing === "typing" ? "presence.js.replying" : "presence.js.here", { name });
  const person = document.createElement("span");
  person.className = `here-person here-${doing}`;
  const avatar = document.createElement("span");
  avatar.className = "avatar avatar-agent";
  avatar.ariaHidden = "true";
  avatar.textContent = name.slice(0, 1).toUpperCase();
  const words = document.createElement("span");
  words.className = named ? "" : "hidden";
  words.textContent = text;
  person.title = text;
  person.append(avatar, words);
  return person;
}

export function startPresence() {
  document.addEventListener("postroom:presence", heard);
  document.addEventListener("postroom:shown", () => { draw(); changed(); });
  document.addEventListener("input", (event) => {
    if (!event.target.closest?.("#composer")) return;
    typedAt = performance.now();
    changed();
  });
  document.addEventListener("visibilitychange", changed);
  addEventListener("pagehide", () => say({ state: "away", doing: "none" }));
  setInterval(() => { if (!document.hidden) say(); }, BEAT_MS);
  setInterval(changed, 1000);
  say();
}
