// The page's texts for scripts: `t(KEY, { n: 3 })` for keys of the tables `[js]`, with the plural forms of the page's language.
const language = document.documentElement.lang || "en";
const entries = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);

export function t(key, values = {}) {
  let text = entries[key] ?? key;
  if (typeof text === "object") text = text[plurals.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? numbers.format(values[name]) : values[name] ?? ""));
}
export { language };
