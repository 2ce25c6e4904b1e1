// The bell in the head of every page: how many notifications are unread, told by the page's live connection.
import { refresh } from "./live.js";
import { t } from "./texts.js";

const MOST = 99;

function show(bell, unread) {
  const before = Number(bell.dataset.unread);
  bell.dataset.unread = unread;
  bell.ariaLabel = t("bell.js.label", { n: unread });
  bell.querySelector(".bell-count").textContent = unread > MOST ? `${MOST}+` : unread || "";
  if (unread > before) document.getElementById("bell-said").textContent = t("bell.js.label", { n: unread });
}

export function startBell() {
  const bell = document.getElementById("bell");
  if (!bell) return;
  document.addEventListener("postroom:notifications", (event) => {
    const { unread } = JSON.parse(event.detail.data);
    const changed = unread !== Number(bell.dataset.unread);
    show(bell, unread);
    const list = document.getElementById("notifications");
    if (list && changed) refresh(list);
  });
}
