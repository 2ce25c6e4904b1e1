// The field in which one writes: bold, lists, links, pictures by paste, files by drop, saved replies by `/`. It gives HTML; the
// desk cleans it.
import { t } from "./texts.js";

const PICTURES = /^image\/(png|jpeg|gif|webp)$/;

export class Editor {
  // `field`: the editable element. `changed` is called after each change, `bring(files, inline)` for files that come in.
  constructor(field, { changed, bring, find }) {
    Object.assign(this, { field, changed, bring, find });
    this.saved = document.getElementById("saved-replies");
    field.addEventListener("input", () => this.#input());
    field.addEventListener("paste", (event) => this.#paste(event));
    field.addEventListener("dragover", (event) => event.preventDefault());
    field.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      bring([...event.dataTransfer.files], false);
    });
    field.addEventListener("keydown", (event) => this.#key(event));
    this.saved.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const item = event.target.closest("[data-saved]");
      if (item) this.#take(item);
    });
    this.#empty();
  }

  get text() { return this.field.innerText.replace(/\u00a0/g, " ").replace(/\n{3,}/g, "\n\n").trim(); }
  get isEmpty() { return !this.text && !this.field.querySelector("img"); }
  get html() {
    if (this.isEmpty) return "";
    const copy = this.field.cloneNode(true);
    for (const image of copy.querySelectorAll("img")) {
      if (image.dataset.cid) image.setAttribute("src", `cid:${image.dataset.cid}`);
      else image.remove();
    }
    return copy.innerHTML;
  }

  // Show HTML of the desk's, which is clean; pictures are fetched from where they wait.
  set(html, text, files = []) {
    this.field.replaceChildren();
    if (html) {
      const parsed = new DOMParser().parseFromString(html, "text/html");
      for (const image of parsed.querySelectorAll("img")) {
        const cid = (image.getAttribute("src") ?? "").replace(/^cid:/, "");
        const file = files.find((f) => f.content_id === cid);
        if (!file) { image.remove(); continue; }
        image.dataset.cid = cid;
        image.src = `/api/v1/uploads/${file.upload_id}`;
      }
      this.field.append(...parsed.body.childNodes);
    } else if (text) this.field.innerText = text;
    this.#empty();
  }

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
    this.#empty();
    this.changed();
  }

  #paste(event) {
    event.preventDefault();
    const pictures = [...event.clipboardData.files].filter((f) => PICTURES.test(f.type));
    if (pictures.length) { this.bring(pictures, true); return; }
    document.execCommand("insertText", false, event.clipboardData.getData("text/plain"));
  }

  #empty() { this.field.classList.toggle("empty", this.isEmpty); }

  #input() {
    this.#empty();
    this.changed();
    const query = this.#slash();
    if (query === null) this.close();
    else this.open(query);
  }

  // What stands behind a `/` that begins a line, or null.
  #slash() {
    const selection = getSelection();
    const node = selection.anchorNode;
    if (!selection.isCollapsed || node?.nodeType !== Node.TEXT_NODE || !this.field.contains(node)) return null;
    const found = /^\/([^/\n]{0,40})$/.exec(node.data.slice(0, selection.anchorOffset).replace(/\u00a0/g, " "));
    return found ? found[1] : null;
  }

  async open(query) {
    const items = await this.find(query);
    if (query && this.#slash() !== query) return; // typed on meanwhile
    const list = this.saved.querySelector("ul");
    list.replaceChildren(...items.map((item, n) => {
      const li = document.createElement("li");
      li.dataset.saved = item.id;
      li.setAttribute("role", "option");
      li.setAttribute("aria-selected", String(n === 0));
      li.append(item.name);
      return li;
    }));
    if (!items.length) list.append(Object.assign(document.createElement("li"), { className: "muted", textContent: t("composer.js.nothing_saved") }));
    this.saved.hidden = false;
  }

  close() { this.saved.hidden = true; }

  #key(event) {
    if (this.saved.hidden) return;
    const items = [...this.saved.querySelectorAll("[data-saved]")];
    const at = items.findIndex((li) => li.getAttribute("aria-selected") === "true");
    if (event.key === "Escape") { event.stopPropagation(); this.close(); return; }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = items[(at + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length];
      items.forEach((li) => li.setAttribute("aria-selected", String(li === next)));
      next?.scrollIntoView({ block: "nearest" });
    } else if ((event.key === "Enter" || event.key === "Tab") && !event.ctrlKey && !event.metaKey && items[at]) {
      event.preventDefault();
      this.#take(items[at]);
    }
  }

  async #take(item) {
    this.close();
    const filled = await this.find(null, item.dataset.saved);
    if (!filled) return;
    this.field.focus();
    if (this.#slash() !== null) {
      const { anchorNode, anchorOffset } = getSelection();
      getSelection().setBaseAndExtent(anchorNode, 0, anchorNode, anchorOffset);
    }
    document.execCommand("insertHTML", false, filled.html);
    this.#empty();
    this.changed();
  }
}

function linkOf(address) {
  const link = document.createElement("a");
  link.href = address;
  link.textContent = address;
  return link.outerHTML;
}
