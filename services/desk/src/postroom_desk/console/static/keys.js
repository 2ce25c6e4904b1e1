// Keys: never while somebody types.
const items = () => [...document.querySelectorAll("[data-row], .messages > .message")];

function move(step) {
  const all = items();
  if (!all.length) return;
  const now = all.findIndex((item) => item.classList.contains("selected"));
  const next = all[Math.min(all.length - 1, Math.max(0, now + step))];
  for (const item of all) item.classList.toggle("selected", item === next);
  (next.querySelector("a") && next.matches("[data-row]") ? next.querySelector("a") : next).focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function write(mode) {
  const composer = document.getElementById("composer");
  if (!composer) return;
  composer.elements.mode.value = mode;
  composer.dispatchEvent(new Event("change"));
  composer.elements.text.focus();
}

const press = (name) => document.querySelector(`#head [data-act="${name}"]`)?.click();

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  u: () => document.querySelector("[data-back]")?.click(),
  r: () => write("reply"),
  n: () => write("note"),
  c: () => press("claim"),
  e: () => press("resolve"),
  "?": () => document.getElementById("help").showModal(),
};

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.matches("textarea, input")) event.target.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
    const run = KEYS[event.key];
    if (run) { event.preventDefault(); run(); }
  });
}
