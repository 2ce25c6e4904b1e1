// The conversation in which somebody writes was merged into another one: they go on there, with their text, which the desk takes along.
import { say } from "./actions.js";
import { go } from "./nav.js";
import { heldBy, now } from "./sides.js";
import { t } from "./texts.js";

const by = (id) => document.getElementById(id);
let followed = null; // the composer that went away
let target = "";

// Whether something was written here, by this page, that is still there.
const isMine = ({ draft, known }) => draft.dirty || draft.busy || (draft.saves > 0 && known?.filled && !heldBy(known));

async function follow() {
  const opened = by("conversation")?.dataset.id;
  if (target && opened === target) { target = ""; by("text")?.focus(); return; }
  const into = by("head")?.dataset.mergedInto;
  if (!into || !now || now.id !== opened || now.composer.isConnected || followed === now.composer) return;
  followed = now.composer;
  const mine = Object.values(now.sides).filter(isMine);
  if (!mine.length || !(await Promise.all(mine.map((side) => side.draft.flush()))).every(Boolean)) return;
  if (by("conversation")?.dataset.id !== opened) return; // they went elsewhere meanwhile
  target = into;
  say(t("answering.js.merged"));
  go(`/conversations/${into}${location.search}`);
}

export function startMerged() { document.addEventListener("postroom:shown", follow); }
