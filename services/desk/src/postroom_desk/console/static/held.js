// A reply that was held because the conversation moved on: what came since stands beside it, and its writer decides.
import { t } from "./texts.js";

const by = (id) => document.getElementById(id);

export class Held {
  // `send`, `edit`, `drop` are called with the ETag of what was shown.
  constructor(id, decisions) {
    Object.assign(this, { id, seen: "", told: "" });
    by("held").addEventListener("click", (event) => {
      const decision = event.target.closest("[data-held]")?.dataset.held;
      if (decision === "drop" || (decision && this.etag)) decisions[decision](this.etag, event.target); // over what is not shown yet nothing goes out
    });
  }

  get open() { return !by("held").hidden; }
  get etag() { return by("since")?.dataset.etag ?? ""; }

  // Show what came after the ETag `seen`; `locked`: somebody else is at it, so there is nothing to decide.
  show(seen, locked = false) {
    by("held").hidden = false;
    by("held").querySelector(".held-foot").hidden = locked;
    by("composer").dataset.held = "true";
    if (this.seen !== seen) {
      by("since").replaceChildren(t("answering.js.looking"));
      delete by("since").dataset.etag;
    }
    this.seen = seen;
    return this.#look();
  }

  hide() {
    by("held").hidden = true;
    delete by("composer").dataset.held;
    this.seen = "";
  }

  // After a live update: what came meanwhile belongs to it.
  refresh(etag) {
    if (!this.open || etag === this.told) return;
    this.told = etag;
    if (this.etag && this.etag !== etag) this.#look();
  }

  async #look() {
    const address = `/panes/since/${this.id}?seen=${encodeURIComponent(this.seen)}`;
    await window.htmx?.ajax("GET", address, { source: by("held"), target: by("since"), swap: "outerHTML" });
  }
}
