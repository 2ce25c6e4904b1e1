// Saved filters: the list that is shown gets a name; and what is opened counts as read.
import { acting, csrf, say } from "./actions.js";
import { t } from "./texts.js";

const MANY = new Set(["status"]);
const YES = new Set(["unassigned", "unattended", "archived"]);

function query() {
  const asked = {};
  for (const [name, value] of new URLSearchParams(document.getElementById("list").dataset.query)) {
    if (MANY.has(name)) (asked[name] ??= []).push(value);
    else asked[name] = YES.has(name) ? value === "true" : value;
  }
  return asked;
}

async function ask(method, path, body) {
  const answer = await fetch(path, { method, headers: { "Content-Type": "application/json", ...csrf() }, body: body && JSON.stringify(body) }).catch(() => null);
  if (answer?.ok) return true;
  say((await answer?.json().catch(() => null))?.detail ?? t("frame.js.failed"), { bad: true });
  return false;
}

export function startFilters() {
  document.addEventListener("submit", async (event) => {
    if (!event.target.matches("form[data-save]")) return;
    event.preventDefault();
    if (await ask("POST", "/api/v1/filters", { agent: acting(), name: new FormData(event.target).get("name"), team_id: new FormData(event.target).get("team") || null, query: query() })) location.reload();
  });
  document.addEventListener("click", async (event) => {
    if (event.target.closest("#conversation [data-mark-unread]")) { await markUnread(); return; }
    const id = event.target.closest("[data-unsave]")?.dataset.unsave;
    if (id && await ask("DELETE", `/api/v1/filters/${id}?agent=${encodeURIComponent(acting())}`)) location.reload();
  });
}

const readOf = (id) => `/api/v1/conversations/${id}/read?agent=${encodeURIComponent(acting())}`;

// For later, for oneself alone: one goes back to the list, because who looks at it has read it.
async function markUnread() {
  const { id } = document.getElementById("conversation").dataset;
  leaving = id;
  if (!(await ask("DELETE", readOf(id)))) { leaving = ""; return; }
  document.getElementById(`row-${id}`)?.classList.add("unread");
  document.querySelector("#conversation [data-back]")?.click();
}

// Told once for each message that comes while somebody looks: reading is theirs, and changes nothing for others.
let read = "";
let leaving = ""; // was marked as unread, and stands there until the list has its place
export function markRead() {
  const id = document.getElementById("conversation")?.dataset.id ?? "";
  if (!id) read = ""; // who comes back to it reads it again
  if (id !== leaving) leaving = "";
  if (!id || leaving || !document.getElementById("head") || !acting() || document.hidden) return;
  document.getElementById(`row-${id}`)?.classList.remove("unread"); // each time: a list that was under way says what was before
  const seen = `${id} ${document.getElementById("head").dataset.etag} ${document.querySelectorAll("#messages > .message").length}`;
  if (seen === read) return;
  read = seen;
  fetch(readOf(id), { method: "PUT", headers: csrf(), keepalive: true }).catch(() => { read = ""; });
}
