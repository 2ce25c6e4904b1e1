// Several conversations at once: rows are picked with `x` or their box, a range with Shift, or all; the bar acts on all in one
// request, and one undo takes all of it back, but for what somebody has gone on with since.
import { newKey, refusal, say, someoneActs, until } from "./actions.js";
import { call } from "./drafting.js";
import { t } from "./texts.js";

const bar = () => document.getElementById("bulk");
const boxes = () => [...document.querySelectorAll("#rows input[name=pick]")];
let last = ""; // the conversation that was picked or left out last
const picked = () => boxes().filter((box) => box.checked).map((box) => box.closest(".row"));

export function pick(row) {
  const box = row?.querySelector("input[name=pick]");
  if (!box) return;
  box.checked = !box.checked;
  last = box.value;
  show();
}

// From the one before to this one all are as this one is.
function pickTo(box) {
  const all = boxes();
  const [from, to] = [all.findIndex((b) => b.value === last), all.indexOf(box)].sort((a, b) => a - b);
  if (from >= 0) for (const one of all.slice(from, to + 1)) one.checked = box.checked;
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
    here.append(count, button(t("inbox.js.bulk.all"), "all"), button(t("inbox.js.bulk.resolve"), "resolve"), people(), tag, tags, button(t("inbox.js.bulk.snooze"), "snooze", { until: "tomorrow" }),
      button(t("inbox.js.bulk.archive"), "archive"), button(t("inbox.js.bulk.spam"), "spam"), button(t("inbox.js.bulk.delete"), "delete"), button(t("inbox.js.bulk.clear"), "clear"));
  }
  offerPeople(here.querySelector("select"), rows);
  here.querySelector("[data-bulk=all]").hidden = rows.length === boxes().length;
  here.querySelector(".bulk-count").textContent = t("inbox.js.bulk.count", { n: rows.length });
}

const isDone = ({ result }) => ["done", "pending"].includes(result);

// Says how many were not changed, and why. True when there is none.
function sayNot(results) {
  const not = results.filter((r) => !isDone(r) && (r.result !== "unchanged" || r.reason));
  if (not.length) say(`${t("inbox.js.bulk.not", { n: not.length })} ${refusal({ reason: not[0].reason })}`, { bad: true });
  return not.length === 0;
}

async function run(name, body) {
  if (!someoneActs()) return;
  const rows = picked();
  const items = rows.map((row) => ({ id: row.dataset.id, etag: row.dataset.etag }));
  unpick();
  const { ok, said } = await call("POST", "/api/v1/bulk", { action: name, items, ...body }, { "Idempotency-Key": newKey() });
  if (!ok) {
    for (const box of boxes()) if (items.some(({ id }) => id === box.value)) box.checked = true;
    show();
    say(refusal(said), { bad: true });
    return;
  }
  const done = said.items.filter(isDone);
  const back = () => undo(said.undo_id, new Set(done.map(({ id }) => id)));
  if (done.length) say(t(`inbox.js.bulk_done.${name}`, { n: done.length }), { undo: back });
  sayNot(said.items);
}

async function undo(id, done) {
  const { ok, said } = await call("POST", `/api/v1/bulk/${id}/undo`, {}, { "Idempotency-Key": newKey() });
  if (ok) return sayNot(said.items.filter((item) => done.has(item.id)));
  say(refusal(said), { bad: true });
  return false;
}

export function startBulk() {
  document.addEventListener("change", (event) => {
    if (event.target.matches("#rows input[name=pick]")) show();
    if (event.target.matches("#bulk select") && event.target.value) run("assign", { agent_id: event.target.value === "-" ? null : event.target.value });
  });
  document.addEventListener("click", (event) => {
    if (event.target.matches("#rows input[name=pick]")) {
      if (event.shiftKey) pickTo(event.target);
      last = event.target.value;
    }
    const pressed = event.target.closest("#bulk button");
    if (!pressed) return;
    const { bulk: name, until: when } = pressed.dataset;
    if (name === "clear") unpick();
    else if (name === "all") { for (const box of boxes()) box.checked = true; show(); }
    else run(name, when ? { until: until(when).toISOString() } : {});
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("#bulk input") && event.key === "Enter" && event.target.value.trim()) run("tag", { add: [event.target.value.trim().toLowerCase()] });
  });
  document.addEventListener("postroom:shown", show);
}
