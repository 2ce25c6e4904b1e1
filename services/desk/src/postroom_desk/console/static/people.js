// Whom one may write to: while an address is typed, the people of this conversation and those whom the reader may see elsewhere.
import { call } from "./drafting.js";

const WAIT = 200;
let waiting = null;
let asked = "";

// Fill the list of a field that holds addresses by commas: each choice is what was typed before it, and one address more.
export function suggestPeople(field, list, known) {
  clearTimeout(waiting);
  const place = Math.max(field.value.lastIndexOf(","), field.value.lastIndexOf(";")) + 1;
  const before = place ? `${field.value.slice(0, place)} ` : "";
  const typed = field.value.slice(place).trim();
  asked = field.value;
  const offer = (people) => list.replaceChildren(...people.map((p) => new Option(p.name, before + p.address)));
  if (typed.length < 2) { offer(known); return; }
  waiting = setTimeout(async () => {
    const { ok, said } = await call("GET", `/api/v1/contacts?${new URLSearchParams({ q: typed.slice(0, 100) })}`);
    if (!ok || asked !== field.value) return;
    const addresses = new Set(known.map((p) => p.address.toLowerCase()));
    offer([...known, ...said.contacts.filter((p) => !addresses.has(p.address.toLowerCase()))]);
  }, WAIT);
}
