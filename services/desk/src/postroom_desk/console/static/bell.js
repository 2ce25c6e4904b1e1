// The bell in the head of every page: how many notifications are unread, told by the page's live connection.
import { refresh } from "./live.js";
import { t } from "./texts.js";

const MOST = 99;
let unread = 0;

// On a phone a conversation has a bell of its own in its head; the server renders it without the count.
function show() {
  for (const bell of document.querySelectorAll("a.bell")) {
    bell.dataset.unread = unread;
    bell.ariaLabel = t("bell.js.label", { n: unread });
    bell.querySelector(".bell-count").textContent = unread > MOST ? `${MOST}+` : unread || "";
  }
}

export function startBell() {
  const bell = document.getElementById("bell");
  if (!bell) return;
  unread = Number(bell.dataset.unread);
  document.addEventListener("postroom:shown", show);
  document.addEventListener("postroom:notifications", (event) => {
    const before = unread;
    ({ unread } = JSON.parse(event.detail.data));
    show();
    if (unread > before) document.getElementById("bell-said").textContent = t("bell.js.label", { n: unread });
    const list = document.getElementById("notifications");
    if (list && unread !== before) refresh(list);
  });
}
