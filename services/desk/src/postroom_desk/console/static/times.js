// Times: <time data-when="ago|since|at">. The server's text stands until this has run.
import { language, t } from "./texts.js";

const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"]];

function length(seconds) {
  for (const [size, unit] of UNITS) if (seconds >= size) return t(`frame.js.${unit}`, { n: Math.floor(seconds / size) });
  return t("frame.js.second", { n: Math.max(0, Math.floor(seconds)) });
}

function text(moment, when) {
  const seconds = (Date.now() - moment) / 1000;
  if (when === "since") return length(seconds);
  if (when === "ago") return seconds < 10 ? t("frame.js.now") : seconds < 86400 * 6 ? t("frame.js.ago", { time: length(seconds) }) : moment.toLocaleDateString(language);
  const today = new Date().toDateString() === moment.toDateString();
  const time = moment.toLocaleTimeString(language, { timeStyle: "short" });
  return today ? time : `${moment.toLocaleDateString(language, { day: "numeric", month: "short" })}, ${time}`;
}

export function showTimes() {
  for (const element of document.querySelectorAll("time[data-when]")) {
    const moment = new Date(element.dateTime);
    const shown = text(moment, element.dataset.when);
    if (element.textContent !== shown) element.textContent = shown;
    element.title = moment.toLocaleString(language);
  }
}
