// Live updates: when a fact comes, the page asks for itself again, as of that fact, and exchanges what has changed.
import { showTimes } from "./times.js";
import { onRefreshed } from "./actions.js";

const PAUSE_MS = 150;
let newest = "";
let running = false;
let again = false;

export function follow() {
  const state = document.getElementById("live");
  const source = new EventSource("/api/v1/events");
  const show = (name, text) => { state.dataset.state = name; state.lastElementChild.textContent = text; };
  source.onopen = () => show("live", "live");
  source.onerror = () => show("away", "away");
  source.onmessage = (event) => { newest = event.lastEventId; refresh(); };
  source.addEventListener("hello", (event) => { const first = !newest; newest ||= event.lastEventId; if (!first) refresh(); });
  source.addEventListener("resync", (event) => { newest = event.lastEventId; refresh(); });
  addEventListener("pagehide", () => source.close());
}

export async function refresh() {
  if (running) { again = true; return; }
  running = true;
  do {
    again = false;
    try { await exchange(); } catch { again = false; }
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  } while (again);
  running = false;
}

async function exchange() {
  const answer = await fetch(location.href, { headers: { "X-After": newest } });
  if (answer.redirected || ![200, 404].includes(answer.status)) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (document.querySelector("[data-reload]") && answer.ok) { location.reload(); return; }
  for (const region of document.querySelectorAll("[data-live]")) {
    const other = next.getElementById(region.id);
    if (!other) continue;
    if (region.hasAttribute("data-keyed")) exchangeItems(region, other);
    else exchangeRegion(region, other);
  }
  document.title = next.title;
  showTimes();
  onRefreshed();
}

// What the server sent for a node, whatever the reader has opened in it since.
const sent = new WeakMap();
const source = (node) => sent.get(node) ?? node.outerHTML;
const remember = (node) => { if (!sent.has(node)) sent.set(node, node.outerHTML); };
for (const node of document.querySelectorAll("[data-live], [data-keyed] > [data-key]")) remember(node);

function exchangeRegion(region, other) {
  const text = other.outerHTML;
  if (source(region) === text) return;
  if (region.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return;
  const numbers = [...region.querySelectorAll("[data-number]")].map((n) => n.textContent);
  const open = [...region.querySelectorAll("details[open]")].map((d) => d.id || d.className);
  for (const { name, value } of other.attributes) region.setAttribute(name, value);
  region.replaceChildren(...other.childNodes);
  for (const details of region.querySelectorAll("details")) if (open.includes(details.id || details.className)) details.open = true;
  region.querySelectorAll("[data-number]").forEach((n, i) => { if (numbers[i] !== undefined && numbers[i] !== n.textContent) flash(n); });
  sent.set(region, text);
}

function exchangeItems(list, other) {
  const old = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const following = [...other.children].map((node) => {
    const before = old.get(node.dataset.key);
    const text = node.outerHTML;
    if (before && source(before) === text) return before;
    sent.set(node, text);
    if (node.dataset.key) flash(node);
    if (before) for (const id of [...before.querySelectorAll("details[open]")].map((d) => d.id)) {
      const details = id && node.querySelector(`#${CSS.escape(id)}`);
      if (details) details.open = true;
    }
    if (before?.classList.contains("selected")) node.classList.add("selected");
    return node;
  });
  // Nodes that stay are not taken out: a frame in them would load again.
  for (const node of [...list.children]) if (!following.includes(node)) node.remove();
  following.forEach((node, n) => { if (list.children[n] !== node) list.insertBefore(node, list.children[n] ?? null); });
}

function flash(node) {
  node.classList.add("fresh");
  node.addEventListener("animationend", () => node.classList.remove("fresh"), { once: true });
}
