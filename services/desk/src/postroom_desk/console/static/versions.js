// Earlier texts of a draft: looked at, and put back. What stood there is a version then, so nothing is lost by it.
import { refusal, say } from "./actions.js";
import { language, t } from "./texts.js";

const MOST = 90; // characters of each in the list

function made(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function nameOf(version) {
  const at = new Date(version.at).toLocaleString(language, { dateStyle: "short", timeStyle: "short" });
  return `${at} · ${version.by_name}`;
}

// Of a first message: to whom, and its subject. A reply's say nothing here: they stand beside its text, and stay.
function headOf({ subject, to, cc, bcc }) {
  if (!subject) return "";
  const people = [["to", to], ["cc", cc], ["bcc", bcc]].filter(([, list]) => list.length);
  const lines = people.map(([name, list]) => t(`composer.js.${name}`, { addresses: list.map((p) => p.address).join(", ") }));
  return [...lines, subject].join("\n");
}

// `draft`: of which; `shown(draft)` puts what it then says into the page.
export async function openVersions(draft, shown) {
  await draft.flush();
  const { ok, status, said } = await draft.versions();
  if (!ok && status !== 404) { say(refusal(said), { bad: true }); return; }
  const [present, ...earlier] = said.items ?? [];
  const dialog = made("dialog", { className: "versions" }, made("h2", { id: "versions-title", textContent: t("answering.js.versions") }));
  dialog.setAttribute("aria-labelledby", "versions-title");
  dialog.append(...(earlier.length ? chooser(dialog, earlier, (version) => putBack(draft, shown, version.number, present.number)) : [made("p", { className: "muted", textContent: t("answering.js.versions_none") })]));
  dialog.append(made("form", { method: "dialog" }, made("button", { className: "quiet", textContent: t("answering.js.close") })));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function chooser(dialog, versions, chosen) {
  const text = made("pre", { className: "version-text", tabIndex: 0 });
  const put = made("button", { type: "button", className: "primary", textContent: t("answering.js.version_put") });
  let one = null;
  const look = (version, button) => {
    one = version;
    for (const other of list.querySelectorAll("button")) other.ariaPressed = String(other === button);
    text.textContent = [headOf(version), version.text].filter(Boolean).join("\n\n");
    text.ariaLabel = nameOf(version);
  };
  const list = made("ul", { className: "version-list" }, ...versions.map((version) => {
    const button = made("button", { type: "button" }, made("strong", { textContent: nameOf(version) }), " ", made("span", { className: "muted", textContent: version.text.slice(0, MOST) }));
    button.addEventListener("click", () => look(version, button));
    return made("li", {}, button);
  }));
  put.addEventListener("click", () => { dialog.close(); chosen(one); });
  look(versions[0], list.querySelector("button"));
  return [list, text, put];
}

async function putBack(draft, shown, number, before) {
  const { ok, said } = await draft.restore(number);
  if (!ok) { say(refusal(said), { bad: true }); return; }
  shown(said);
  say(t("answering.js.version_back"), { undo: before && (async () => {
    const back = await draft.restore(before);
    if (back.ok) shown(back.said);
    else say(refusal(back.said), { bad: true });
    return back.ok;
  }) });
}
