// To whom it goes: what the desk suggests, until somebody names others.
import { acting } from "./actions.js";
import { call } from "./drafting.js";
import { suggestPeople } from "./people.js";
import { t } from "./texts.js";

const FIELDS = ["to", "cc", "bcc"];
const by = (id) => document.getElementById(id);
const people = (list) => list.map((p) => p.address).join(", ");

// The addresses of a field; `known`: people whose names are known.
export function addresses(text, known = []) {
  const names = new Map(known.map((p) => [p.address.toLowerCase(), p.name]));
  return text.split(/[,;\s]+/).filter((a) => /^[^@\s]+@[^@\s]+$/.test(a)).map((address) => ({ address, name: names.get(address.toLowerCase()) ?? "" }));
}

export class Recipients {
  constructor(composer, id) {
    Object.assign(this, { composer, id, named: false, suggested: null });
    by("recipients").addEventListener("input", (event) => {
      this.named = true;
      this.show();
      suggestPeople(event.target, by("known-people"), this.suggested?.known ?? []);
    });
  }

  #field(name) { return this.composer.elements[name]; }
  #addresses(name) { return addresses(this.#field(name).value, this.suggested?.known); }

  get chosen() { return { to: this.named ? this.#addresses("to") : [], cc: this.named ? this.#addresses("cc") : [], bcc: this.#addresses("bcc") }; }

  set(draft) {
    this.named = FIELDS.some((name) => draft[name].length > 0);
    for (const name of FIELDS) this.#field(name).value = people(draft[name]);
  }

  clear(named = false) { this.set({ to: [], cc: [], bcc: [] }); this.named = named; }

  only(address) {
    this.clear(Boolean(address));
    this.#field("to").value = address ?? "";
  }

  async suggest(mode, message) {
    if (this.composer.dataset.channel !== "email") return;
    const query = new URLSearchParams({ mode, ...(message ? { message } : {}), ...(acting() ? { agent: acting() } : {}) });
    const { ok, said } = await call("GET", `/api/v1/conversations/${this.id}/recipients?${query}`);
    if (!ok || !this.composer.isConnected || this.composer.elements.mode.value !== mode) return;
    this.suggested = said;
    by("known-people").replaceChildren(...said.known.map((p) => new Option(p.name, p.address)));
    const sign = by("signature");
    sign.textContent = [said.from_name && `${said.from_name} <${said.from_address}>`, said.signature].filter(Boolean).join(" · ");
    sign.hidden = !said.signature;
    this.composer.querySelector("[data-reply-all]").hidden = said.known.length < 2 && mode !== "reply_all";
    if (!this.named) for (const name of ["to", "cc"]) this.#field(name).value = people(said[name]);
    if (mode === "reply_all") this.named = true;
    this.show();
  }

  show() {
    const parts = FIELDS.map((name) => [name, this.#field(name).value]).filter(([, value]) => value.trim());
    by("recipients-shown").textContent = parts.map(([name, value]) => t(`composer.js.${name}`, { addresses: value })).join(" · ") || t("composer.js.nobody");
  }
}
