// The field in which one writes: bold, lists, links, pictures and files by paste; saved replies by `/`, colleagues by `@`. It gives
// HTML; the desk cleans it.
import { t } from "./texts.js";

const PICTURES = /^image\/(png|jpeg|gif|webp)$/;
const carets = new WeakMap(); // field -> the range that was selected in it last

function remember() {
  const [field, selection] = [document.activeElement, getSelection()];
  if (field?.isContentEditable && selection.rangeCount && field.contains(selection.anchorNode)) carets.set(field, selection.getRangeAt(0).cloneRange());
}

document.addEventListener("selectionchange", remember); // which comes late
document.addEventListener("keydown", remember, true); // and this before the key does anything

export class Editor {
  // `field`: the editable element. `changed` is called after each change, `bring(files, inline)` for files that come in.
  // `triggers`: what is typed to be offered something: {pattern, items(query), take(id) -> HTML or null}, offered in `list`.
  // While it is `busy` nothing more can be typed: what it says is being sent.
  constructor(field, { changed, bring, list = null, triggers = [] }) {
    Object.assign(this, { field, changed, bring, list, triggers, trigger: null, asking: null, taking: false, busy: false });
    field.addEventListener("beforeinput", (event) => { if (this.busy) event.preventDefault(); });
    field.addEventListener("input", () => this.#input());
    field.addEventListener("focus", () => this.#point());
    field.addEventListener("paste", (event) => this.#paste(event));
    field.addEventListener("blur", () => this.close());
    field.addEventListener("keydown", (event) => this.#key(event));
    list?.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const item = event.target.closest("[data-offered]");
      if (item) this.#take(item);
    });
    this.refreshed();
  }

  get text() { return this.field.innerText.replace(/\u00a0/g, " ").replace(/\n{3,}/g, "\n\n").trim(); }
  get isEmpty() { return !this.text && !this.field.querySelector("img"); }
  get html() {
    if (this.isEmpty) return "";
    const copy = document.implementation.createHTMLDocument("").importNode(this.field, true); // in which nothing is loaded
    for (const image of copy.querySelectorAll("img")) {
      if (image.dataset.cid) image.setAttribute("src", `cid:${image.dataset.cid}`);
      else image.remove();
    }
    return copy.innerHTML;
  }

  // The nodes of HTML of the desk's, which is clean; pictures are fetched from where they wait.
  static nodes(html, text, files = []) {
    if (!html) return text ? text.split("\n").flatMap((line, n) => (n ? [document.createElement("br"), line] : [line])) : [];
    const parsed = new DOMParser().parseFromString(html, "text/html");
    for (const image of parsed.querySelectorAll("img")) {
      const cid = (image.getAttribute("src") ?? "").replace(/^cid:/, "");
      const file = files.find((f) => f.content_id === cid);
      if (!file) { image.remove(); continue; }
      image.dataset.cid = cid;
      image.src = `/api/v1/uploads/${file.upload_id}`;
    }
    return [...parsed.body.childNodes];
  }

  // Another text: one goes on at its end.
  set(nodes) {
    this.field.replaceChildren(...nodes);
    carets.delete(this.field);
    if (document.activeElement === this.field) this.#point();
    this.close();
    this.refreshed();
  }

  append(nodes) {
    const between = nodes.length && !this.isEmpty ? [document.createElement("br")] : [];
    this.set([...this.field.childNodes, ...between, ...nodes]);
  }

  // Put HTML of the desk's where the caret is, or was; or over what `place`, a range, holds.
  put(html, place = null) {
    this.field.focus();
    const selection = getSelection();
    if (!this.field.contains(selection.anchorNode)) this.#point();
    let typed = 0; // behind the place, since: the caret goes back there
    if (place) {
      if (selection.anchorNode === place.endContainer) typed = Math.max(0, selection.anchorOffset - place.endOffset);
      selection.removeAllRanges();
      selection.addRange(place);
    }
    document.execCommand("insertHTML", false, html);
    for (; typed > 0; typed -= 1) selection.modify("move", "forward", "character");
    this.refreshed();
    this.changed();
  }

  // A dialog that closes gives the field its focus back with the caret at its beginning, or with none: then nothing that is typed
  // arrives. A click places the caret after this.
  #point() {
    const range = carets.get(this.field) ?? document.createRange();
    if (!this.field.contains(range.startContainer)) { range.selectNodeContents(this.field); range.collapse(false); }
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  }

  refreshed() { this.field.classList.toggle("empty", this.isEmpty); }

  picture(upload) {
    const image = document.createElement("img");
    image.src = upload.href;
    image.alt = upload.filename;
    image.dataset.cid = upload.content_id;
    this.#insert(image);
  }

  format(kind) {
    this.field.focus();
    // Old, and the only editing that every browser has and undoes by Ctrl+Z.
    if (kind === "bold") document.execCommand("bold");
    else if (kind === "list") document.execCommand("insertUnorderedList");
    else if (kind === "link") {
      const address = prompt(t("composer.js.address"), "https://");
      if (address && /^(https?:\/\/|mailto:|tel:)/i.test(address)) document.execCommand(getSelection().isCollapsed ? "insertHTML" : "createLink", false, getSelection().isCollapsed ? linkOf(address) : address);
    }
    this.changed();
  }

  #insert(node) {
    this.field.focus();
    const selection = getSelection();
    const range = selection.rangeCount && this.field.contains(selection.anchorNode) ? selection.getRangeAt(0) : null;
    if (range) { range.deleteContents(); range.insertNode(node); range.collapse(false); } else this.field.append(node);
    this.refreshed();
    this.changed();
  }

  #paste(event) {
    event.preventDefault();
    if (this.busy) return;
    const files = [...event.clipboardData.files];
    const text = event.clipboardData.getData("text/plain");
    if (files.length && !text) { // an office program gives a picture of the text, too: then the text is meant
      const pictures = files.filter((f) => PICTURES.test(f.type));
      if (pictures.length) this.bring(pictures, true);
      if (pictures.length < files.length) this.bring(files.filter((f) => !pictures.includes(f)), false);
    } else document.execCommand("insertText", false, text);
  }

  #input() {
    this.refreshed();
    this.changed();
    const asked = this.#asked();
    if (asked && !this.taking) this.open(asked.trigger, asked.query);
    else this.close();
  }

  // What stands before the caret and asks for an offer: {trigger, query, from}, or null.
  #asked() {
    const { isCollapsed, anchorNode: node, anchorOffset } = getSelection();
    if (!isCollapsed || node?.nodeType !== Node.TEXT_NODE || !this.field.contains(node)) return null;
    const before = node.data.slice(0, anchorOffset).replace(/\u00a0/g, " ");
    for (const trigger of this.triggers) {
      const found = trigger.pattern.exec(before);
      if (found) return { trigger, query: found[1], node, from: found.index, to: anchorOffset };
    }
    return null;
  }

  // `asking` while what is offered for this is on its way.
  open(trigger, query) {
    this.trigger = trigger;
    const asking = this.#offer(trigger, query).finally(() => { if (this.asking === asking) this.asking = null; });
    this.asking = asking;
  }

  async #offer(trigger, query) {
    const items = await trigger.items(query);
    if (this.trigger !== trigger || (query && this.#asked()?.query !== query)) return; // typed on meanwhile
    if (!items.length && !trigger.nothing) { this.close(); return; }
    this.list.querySelector("ul").replaceChildren(...items.map(offered));
    if (!items.length) this.list.querySelector("ul").append(Object.assign(document.createElement("li"), { className: "muted", textContent: trigger.nothing }));
    this.list.hidden = false;
    this.#choose(0);
  }

  close() {
    this.trigger = this.asking = null;
    if (this.list) this.list.hidden = true;
    this.field.removeAttribute("aria-activedescendant");
  }

  get #offers() { return [...this.list.querySelectorAll("[data-offered]")]; }

  #choose(at) {
    this.#offers.forEach((li, n) => li.setAttribute("aria-selected", String(n === at)));
    const item = this.#offers[at];
    item?.scrollIntoView({ block: "nearest" });
    if (item) this.field.setAttribute("aria-activedescendant", item.id);
  }

  #key(event) {
    const takes = (event.key === "Enter" || event.key === "Tab") && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    const asked = takes && this.asking && this.#asked();
    if (asked) {
      event.preventDefault();
      event.stopPropagation();
      this.#takeFirst(asked);
      return;
    }
    if (!this.list || this.list.hidden) return;
    const items = this.#offers;
    const at = items.findIndex((li) => li.getAttribute("aria-selected") === "true");
    if (event.key === "Escape") { event.stopPropagation(); this.close(); return; }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.#choose((at + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length);
    } else if (takes && items[at]) {
      event.preventDefault();
      event.stopPropagation();
      this.#take(items[at]);
    }
  }

  async #take(item) {
    const { trigger } = this;
    const asked = this.#asked();
    const place = asked && placeOf(asked);
    this.close();
    await this.#putOffer(trigger, item.dataset.offered, place);
  }

  // Enter means what was typed: what is shown is offered for less, or nothing is yet. Without an offer it is an Enter.
  async #takeFirst(asked) {
    const place = placeOf(asked);
    this.close();
    this.taking = true;
    const [first] = await asked.trigger.items(asked.query).finally(() => { this.taking = false; });
    if (first) await this.#putOffer(asked.trigger, first.id, place);
    else if (this.field.contains(document.activeElement)) document.execCommand("insertParagraph");
  }

  async #putOffer(trigger, id, place) {
    const html = await trigger.take(id);
    if (html && this.field.isConnected && !place?.collapsed) this.put(html, place); // collapsed: another text stands there by now
  }
}

// What asked for an offer, as a range: it stays the same while one types on behind it.
function placeOf({ node, from, to }) {
  const range = document.createRange();
  range.setStart(node, from);
  range.setEnd(node, to);
  return range;
}

function offered(item, n) {
  const li = document.createElement("li");
  li.id = `offered-${n}`;
  li.dataset.offered = item.id;
  li.setAttribute("role", "option");
  li.append(item.name);
  if (item.hint) li.append(" ", Object.assign(document.createElement("span"), { className: "muted", textContent: item.hint }));
  return li;
}

function linkOf(address) {
  const link = document.createElement("a");
  link.href = address;
  link.textContent = address;
  return link.outerHTML;
}
