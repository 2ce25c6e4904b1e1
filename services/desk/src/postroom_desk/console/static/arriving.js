// A conversation that was chosen and is still on its way: what is pressed meanwhile is meant for it, and not for the one that
// stands there yet. The keys are kept and pressed again once it is there.
const MOST = 200;
const OF_THE_PAGE = new Set(["j", "k", "x", "u", "b", "/", "?"]);
let asked = null; // htmx's context of the request that brings it
let next = false; // it is asked for in a moment
let kept = []; // keys, in order

const comes = () => next || Boolean(asked?.target?.isConnected && ["issuing", "response received"].includes(asked.status));

// `on`: a conversation was chosen and will be asked for; off: it is asked for now, or no more.
export function choosing(on) { next = on; }

// The form of a new conversation is asked for: whatever is pressed from now on is meant for it.
export function beginning() { if (comes()) kept = [""]; }

// Whether this key waits for what is on its way.
export function keeps(event) {
  if (!comes()) { kept = []; return false; }
  const held = kept.length > 0;
  if (held && ["Enter", "Backspace"].includes(event.key)) { kept.push(event.key); return true; }
  if (event.key.length !== 1 || (!held && OF_THE_PAGE.has(event.key)) || kept.length >= MOST) return held;
  kept.push(event.key);
  return true;
}

// The keys that waited, one after another by `press(key)`; from where a field has the focus on they are its text.
function again(press) {
  if (!kept.length || comes()) return;
  const keys = asked?.target?.isConnected ? [] : kept; // it did not come: nothing else is meant
  kept = [];
  for (const [n, key] of keys.entries()) {
    if (comes()) { kept = [...kept, ...keys.slice(n)]; return; } // one of them led on
    if (document.activeElement.matches("input, textarea, [contenteditable=true]")) {
      document.execCommand("insertText", false, textOf(keys.slice(n)));
      return;
    }
    press(key);
  }
}

// What was typed and taken away again is left out; nothing is sent by an Enter that nobody saw.
function textOf(keys) {
  let text = "";
  for (const key of keys) {
    if (key === "Enter") break;
    text = key === "Backspace" ? text.slice(0, -1) : text + key;
  }
  return text;
}

export function startArriving(press) {
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (ctx.target?.id === "conversation" && !ctx.sourceElement?.matches?.("[data-live]")) asked = ctx;
  });
  document.addEventListener("postroom:shown", () => queueMicrotask(() => again(press))); // once all others know what is shown
}
