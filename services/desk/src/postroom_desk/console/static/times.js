// Times: <time data-when="ago|since|at">. The server's text stands until this has run.
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];

function length(seconds) {
  for (const [size, unit] of UNITS) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${Math.max(0, Math.floor(seconds))} s`;
}

function text(moment, when) {
  const seconds = (Date.now() - moment) / 1000;
  if (when === "since") return length(seconds);
  if (when === "ago") return seconds < 10 ? "now" : seconds < 86400 * 6 ? `${length(seconds)} ago` : moment.toLocaleDateString();
  const today = new Date().toDateString() === moment.toDateString();
  const time = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? time : `${moment.toLocaleDateString([], { day: "numeric", month: "short" })}, ${time}`;
}

export function showTimes() {
  for (const element of document.querySelectorAll("time[data-when]")) {
    const moment = new Date(element.dateTime);
    const shown = text(moment, element.dataset.when);
    if (element.textContent !== shown) element.textContent = shown;
    element.title = moment.toLocaleString();
  }
}
