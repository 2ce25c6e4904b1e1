// What the editor offers while one types: saved replies behind a `/` that begins a line, colleagues behind an `@` in a note.
import { acting, refusal, say } from "./actions.js";
import { call } from "./drafting.js";
import { t } from "./texts.js";

const MOST = 8;

// `base`: under whose address they are filled, a conversation's or the API's own; `about()`: what a first message says of itself.
export function savedReplies(base, about = () => ({})) {
  return {
    pattern: /^\/([^/\n]{0,40})$/,
    nothing: t("composer.js.nothing_saved"),
    items: async (query) => {
      const agent = acting() ? `&agent=${encodeURIComponent(acting())}` : "";
      return (await call("GET", `/api/v1/saved-replies?q=${encodeURIComponent(query)}${agent}`)).said.items ?? [];
    },
    take: async (saved) => {
      const { ok, said } = await call("POST", `${base}/saved-replies/${encodeURIComponent(saved)}/render`, about());
      if (!ok) say(refusal(said), { bad: true });
      return ok ? said.html : null;
    },
  };
}

const plain = (text) => text.toLocaleLowerCase().normalize("NFD").replace(/\p{M}/gu, "");

// `active` says whether a note is being written: only there a name tells somebody.
export function mentions(active) {
  return {
    pattern: /(?<![\p{L}\d@._-])@([\p{L}\d._-]{0,40})$/u,
    items: async (query) => {
      if (!active()) return [];
      const wanted = plain(query);
      const people = [...document.querySelectorAll("#colleagues [data-colleague]")].map((li) => ({ id: li.dataset.colleague, name: li.textContent, hint: `@${li.dataset.colleague}` }));
      return people.filter((p) => p.id.startsWith(wanted) || plain(p.name).split(/\s+/).some((part) => part.startsWith(wanted))).slice(0, MOST);
    },
    take: async (id) => `@${id}&nbsp;`,
  };
}
