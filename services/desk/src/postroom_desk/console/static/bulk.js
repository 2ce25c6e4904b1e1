// Several conversations at once: rows are picked with `x` or their box; the bar acts on all, and one undo takes all of it back.
import { lookedAt, request, say, someoneActs, undoOf, until } from "./actions.js";
import { t } from "./texts.js";

const AT_A_TIME = 6;
const bar = () => document.getElementById("bulk");
const boxes = () => [...document.querySelectorAll("#rows input[name=pick]")];
const picked = () => boxes().filter((box) => box.checked).map((box) => box.closest(".row"));

export function pick(row) {
  const box = row?.querySelector("input[name=pick]");
  if (!box) return;
  box.checked = !box.checked;
  show();
}

export function unpick() {
  for (const box of boxes()) box.checked = false;
  show();
}

export function anyPicked() { return boxes().some((box) => box.checked); }

function button(text, name, values = {}) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  Object.assign(made.dataset, { bulk: name, ...values });
  return made;
}

function people() {
  const select = document.createElement("select");
  select.dataset.bulk = "assign";
  select.setAttribute("aria-label", t("inbox.js.bulk.assign"));
  return select;
}

// To whom all that is picked can be given: whoever may not handle one of the inboxes is not offered.
function offerPeople(select, rows) {
  const byInbox = JSON.parse(document.getElementById("rows").dataset.assignees);
  const may = (id) => rows.every((row) => byInbox[row.dataset.inbox]?.includes(id));
  const known = [...document.querySelectorAll("#folders [data-folder^='person:']")].map((a) => [a.dataset.folder.slice(7), a.querySelector(".nav-text").textContent]);
  const choices = [["", t("inbox.js.bulk.assign")], ["-", t("inbox.js.bulk.unassign")], ...known.filter(([id]) => may(id))];
  const same = [...select.options].map((o) => o.value).join() === choices.map(([value]) => value).join();
  if (!same) select.replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
}

export function show() {
  const rows = picked();
  const here = bar();
  if (!here) return;
  here.hidden = rows.length === 0;
  document.getElementById("list").classList.toggle("picking", rows.length > 0);
  if (!rows.length) { here.replaceChildren(); return; }
  if (!here.children.length) {
    const count = document.createElement("span");
    count.className = "bulk-count";
    count.setAttribute("role", "status");
    const tag = Object.assign(document.createElement("input"), { placeholder: t("inbox.js.bulk.tag"), name: "bulk-tag", autocomplete: "off" });
    tag.setAttribute("aria-label", t("inbox.js.bulk.tag"));
    tag.setAttribute("list", "bulk-tags");
    const tags = Object.assign(document.createElement("datalist"), { id: "bulk-tags" });
    tags.append(...[...document.querySelectorAll("#folders [data-folder^='tag:']")].map((a) => new Option(a.querySelector(".nav-text").textContent, a.dataset.folder.slice(4))));
    here.append(count, button(t("inbox.js.bulk.resolve"), "resolve"), people(), tag, tags, button(t("inbox.js.bulk.snooze"), "snooze", { until: "tomorrow" }),
      button(t("inbox.js.bulk.archive"), "archive"), button(t("inbox.js.bulk.spam"), "spam"), button(t("inbox.js.bulk.delete"), "delete"), button(t("inbox.js.bulk.clear"), "clear"));
  }
  offerPeople(here.querySelector("select"), rows);
  here.querySelector(".bulk-count").textContent = t("inbox.js.bulk.count", { n: rows.length });
}

// At most six requests at a time. `work` gives {state, text} for each.
async function inTurns(items, work) {
  const left = [...items];
  const results = [];
  const one = async () => { for (let item = left.shift(); item; item = left.shift()) results.push({ item, ...(await work(item)) }); };
  await Promise.all(Array.from({ length: AT_A_TIME }, one));
  return results;
}

async function run(name, body) {
  if (!someoneActs()) return;
  const rows = picked().map((row) => ({ id: row.dataset.id, before: lookedAt(row) }));
  unpick();
  const results = await inTurns(rows, ({ id, before }) => request(id, name, body, { etag: before.etag }));
  const done = results.filter((r) => r.state === "done").map((r) => r.item);
  const not = results.filter((r) => r.state !== "done");
  const back = done.map(({ id, before }) => ({ id, undo: undoOf(name, body, before) })).filter((one) => one.undo);
  if (done.length) say(t(`inbox.js.bulk_done.${name}`, { n: done.length }), { undo: back.length && (async () => {
    const undone = await inTurns(back, ({ id, undo }) => request(id, ...undo));
    return undone.every((r) => r.state === "done");
  }) });
  if (not.length) say(`${t("inbox.js.bulk.not", { n: not.length })} ${not[0].text}`, { bad: true });
}

export function startBulk() {
  document.addEventListener("change", (event) => {
    if (event.target.matches("#rows input[name=pick]")) show();
    if (event.target.matches("#bulk select") && event.target.value) run("assign", { agent_id: event.target.value === "-" ? null : event.target.value });
  });
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("#bulk button");
    if (!pressed) return;
    const { bulk: name, until: when } = pressed.dataset;
    if (name === "clear") unpick();
    else run(name, when ? { until: until(when).toISOString() } : {});
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("#bulk input") && event.key === "Enter" && event.target.value.trim()) run("tag", { add: [event.target.value.trim().toLowerCase()] });
  });
  document.addEventListener("postroom:shown", show);
}
