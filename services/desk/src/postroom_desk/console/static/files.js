// Files of what is being written: brought in at once, with progress, named below the text.
import { csrf, say, someoneActs } from "./actions.js";
import { t } from "./texts.js";

export class Files {
  // `list`: the element that names them. `changed()` after each change, `picture(upload)` for one that stands in the text.
  constructor(list, { changed, picture }) {
    Object.assign(this, { list, changed, picture, items: [] });
  }

  get waiting() { return this.items.some((f) => !f.done); }
  get done() { return this.items.filter((f) => f.done); }

  show(items = this.items) {
    this.items = items;
    this.list.replaceChildren(...items.filter((f) => !f.content_id).map((file) => this.#line(file)));
  }

  bring(files, inline) {
    if (!someoneActs()) return;
    for (const file of files) {
      const item = { filename: file.name || "picture.png", body_bytes: file.size, part: 0, inline };
      if (!inline) this.items.push(item);
      this.#upload(file, item, this.items);
    }
    this.show();
  }

  #upload(file, item, items) {
    const sending = new XMLHttpRequest(); // fetch tells no progress
    sending.open("POST", `/api/v1/uploads?${new URLSearchParams({ filename: item.filename, inline: String(item.inline) })}`);
    for (const [name, value] of Object.entries(csrf())) sending.setRequestHeader(name, value);
    sending.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    sending.upload.addEventListener("progress", (event) => { item.part = event.loaded / (event.total || 1); if (items === this.items) this.show(); });
    sending.addEventListener("loadend", () => { if (this.list.isConnected) this.#ended(sending, item, items); });
    sending.send(file);
  }

  #ended(sending, item, items) {
    if (sending.status !== 201) {
      if (items.includes(item)) items.splice(items.indexOf(item), 1);
      let said = {};
      try { said = JSON.parse(sending.responseText); } catch { /* no answer */ }
      say(`${item.filename}: ${said.detail ?? t("frame.js.failed")}`, { bad: true });
    } else {
      Object.assign(item, JSON.parse(sending.responseText), { done: true });
      if (item.inline && items === this.items) { items.push(item); this.picture(item); }
      if (items === this.items) this.changed();
    }
    if (items === this.items) this.show();
  }

  #line(file) {
    const li = document.createElement("li");
    li.append(file.done ? file.filename : t("composer.js.uploading", { name: file.filename, n: Math.round(file.part * 100) }));
    const drop = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "×", ariaLabel: t("composer.js.drop", { name: file.filename }) });
    drop.addEventListener("click", () => { this.items.splice(this.items.indexOf(file), 1); this.show(); this.changed(); });
    li.append(" ", drop);
    return li;
  }
}

// Files dropped anywhere on `area` are brought; dropped beside it they do not take the page away.
export function takeDrops(area, bring) {
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  area.addEventListener("dragover", (event) => { if (carries(event)) area.dataset.dragging = "true"; });
  area.addEventListener("dragleave", (event) => { if (!area.contains(event.relatedTarget)) delete area.dataset.dragging; });
  area.addEventListener("drop", (event) => {
    delete area.dataset.dragging;
    if (event.dataTransfer.files.length) bring([...event.dataTransfer.files], false);
  });
}
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); });
}
