// Pictures on other servers: shown when somebody asks for them, for one mail or always for a sender.
import { acting, csrf, say } from "./actions.js";
import { t } from "./texts.js";

const WITH = "?pictures=true";

// Loads the frame of this mail anew, with its pictures or without them.
function load(bar, shown) {
  const frame = bar.parentElement.querySelector("iframe");
  const address = frame.dataset.src.replace(/\?.*$/, "");
  frame.dataset.src = frame.src = shown ? address + WITH : address;
  bar.remove();
}

// Keeps, or forgets, that this sender's pictures are always shown.
async function keep(address, always) {
  const agent = acting() || undefined;
  const query = new URLSearchParams({ address, ...(agent && { agent }) });
  const request = always
    ? fetch("/api/v1/pictures/senders", { method: "PUT", headers: { "Content-Type": "application/json", ...csrf() }, body: JSON.stringify({ address, agent }) })
    : fetch(`/api/v1/pictures/senders?${query}`, { method: "DELETE", headers: csrf() });
  try { return (await request).ok; } catch { return false; }
}

// A live update brings the question back to a mail that shows its pictures already.
function settle() {
  for (const ask of document.querySelectorAll("[data-pictures-show]")) {
    const bar = ask.closest("[data-pictures]");
    if (bar.parentElement.querySelector("iframe").src.endsWith(WITH)) bar.remove();
  }
}

export function startPictures() {
  document.addEventListener("postroom:shown", settle);
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-pictures-show], [data-pictures-always], [data-pictures-never]");
    if (!button) return;
    const bar = button.closest("[data-pictures]");
    const { picturesAlways: always, picturesNever: never } = button.dataset;
    if ((always || never) && !(await keep(always ?? never, Boolean(always)))) say(t("frame.js.failed"), { bad: true });
    else load(bar, !never);
  });
}
