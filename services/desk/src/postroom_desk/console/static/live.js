// Live updates: one connection a page (`/live`). A fact makes what it concerns ask for itself again, and nothing else.
import { csrf } from "./actions.js";
import { language, t } from "./texts.js";
import { showTimes } from "./times.js";

const PAUSE_MS = 250; // between two requests of one region: a burst of facts is one exchange
const SILENCE_MS = 25_000; // beats come every ten seconds: a silent connection is a dead one
const TRY_AGAIN_MS = 2000;
const BEHIND_MS = 1000;
let newest = ""; // position of the last fact that was heard of
let heard = 0;

// --- regions: [data-live="all"] or [data-live=CONVERSATION], with their address in data-src ---
const running = new WeakMap();

function stateOf(region) {
  if (!running.has(region)) running.set(region, {});
  return running.get(region);
}

// Makes a region show another address, whatever it is waiting for.
export function show(region, address) {
  stateOf(region).src = address;
  window.htmx.trigger(region, "htmx:abort");
  refresh(region);
}

export async function refresh(region) {
  const state = stateOf(region);
  if (state.running) { state.again = true; return; }
  state.running = true;
  do {
    state.again = false;
    await exchange(region, state).catch(() => {});
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  } while (state.again && region.isConnected);
  state.running = false;
}

async function exchange(region, state) {
  if (!window.htmx || !region.isConnected) return;
  const address = state.src ?? region.dataset.src;
  await window.htmx.ajax("GET", address, { source: region, target: region, swap: "outerMorph", select: region.dataset.select });
  if (state.src === address && region.dataset.src === address) delete state.src; // else an older answer came last
}

// What lies in each folder: told by the stream, at most once a second.
function onCounts(counts) {
  for (const link of document.querySelectorAll("#folders [data-folder]")) {
    const n = counts[link.dataset.folder];
    link.querySelector(".count").textContent = n ? new Intl.NumberFormat(language).format(n) : "";
  }
}

export function refreshAll() {
  for (const region of document.querySelectorAll("[data-live]")) refresh(region);
}

function concerns(region, conversation) {
  return region.dataset.live === "all" || region.dataset.live === conversation;
}

function onFact(said) {
  for (const region of document.querySelectorAll("[data-live]")) if (concerns(region, said.conversation_id)) refresh(region);
  document.dispatchEvent(new CustomEvent("postroom:fact", { detail: said }));
}

// --- the connection ---
export function follow() {
  const stream = document.getElementById("stream");
  if (!stream || !window.htmx) return;
  let connection = null;
  let first = true;
  const told = (event) => { heard = Date.now(); newest = event.detail.id || newest; };
  const back = ({ behind }) => { showState("live"); if (behind || !first) refreshAll(); first = false; document.dispatchEvent(new Event("postroom:live")); };
  stream.addEventListener("htmx:sse:after:connection", (event) => { connection = event.detail.connection; heard = Date.now(); });
  stream.addEventListener("hello", (event) => { told(event); back(JSON.parse(event.detail.data)); });
  stream.addEventListener("beat", (event) => { heard = Date.now(); event.stopPropagation(); });
  stream.addEventListener("resync", (event) => { told(event); refreshAll(); });
  stream.addEventListener("counts", (event) => onCounts(JSON.parse(event.detail.data)));
  stream.addEventListener("fact", (event) => { told(event); onFact(JSON.parse(event.detail.data)); });
  stream.addEventListener("htmx:sse:before:message", (event) => {
    // Further kinds (presence, notifications) are handed on to whoever listens on the document.
    const { event: name, data, id } = event.detail.message;
    if (name && !["hello", "beat", "resync", "fact", "counts"].includes(name)) document.dispatchEvent(new CustomEvent(`postroom:${name}`, { detail: { data, id } }));
  });
  stream.addEventListener("htmx:sse:before:connection", (event) => { if (event.detail.connection.attempt > 0) showState("away"); });
  for (const name of ["htmx:sse:error", "htmx:sse:close", "htmx:error"]) stream.addEventListener(name, () => showState("away"));
  // A first connection that failed is not tried again by htmx itself.
  for (const name of ["htmx:sse:close", "htmx:error", "htmx:response:error"]) stream.addEventListener(name, () => {
    setTimeout(() => { if (!stream._htmx?.sse) { window.htmx.trigger(stream, "load"); } }, TRY_AGAIN_MS);
  });
  stream.setAttribute("hx-sse:connect", "/live"); // only now: nothing that it says is missed
  window.htmx.process(stream);
  setInterval(() => {
    if (connection?.reader && !document.hidden && Date.now() - heard > SILENCE_MS) connection.reader.cancel();
  }, 5000);
}

function showState(state) {
  const line = document.getElementById("live");
  line.dataset.state = state;
  line.lastElementChild.textContent = t(state === "live" ? "frame.js.live" : "frame.js.away");
}

// --- what htmx is told beside ---
const KEPT = { DETAILS: ["open"], IFRAME: ["src", "style"], A: ["aria-current"] };

export function prepareHtmx() {
  const htmx = window.htmx;
  if (!htmx) return;
  // What the reader has opened stays open, whatever the server sends.
  htmx.registerExtension("keep", {
    htmx_before_morph_attr: (element, { attrName }) => {
      if (KEPT[element.tagName]?.includes(attrName) && !element.closest("#folders a")) return false;
      return undefined;
    },
  });
  document.addEventListener("htmx:config:request", (event) => {
    const { request, sourceElement } = event.detail.ctx;
    if (newest) request.headers["X-After"] = newest;
    Object.assign(request.headers, csrf());
    if (sourceElement?.matches?.("[data-live]")) request.headers["X-By-Itself"] = "1"; // nobody works for that
  });
  // The desk had not taken in yet what we have heard of: what it gave shows less.
  let again = 0;
  document.addEventListener("htmx:after:request", (event) => {
    if (!event.detail.ctx.response?.headers.get("X-Behind")) return;
    clearTimeout(again);
    again = setTimeout(refreshAll, BEHIND_MS);
  });
  document.addEventListener("htmx:after:swap", () => { showTimes(); document.dispatchEvent(new Event("postroom:shown")); });
}
