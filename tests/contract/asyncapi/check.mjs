// Prints every finding of the AsyncAPI parser as `severity path message`; exits 1 if one is an error or a warning.
// The parser is loaded from the folder given second, where `npm ci` put it, so that the source tree stays clean.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const [documentPath, modulesHome] = process.argv.slice(2);
const require = createRequire(join(resolve(modulesHome), "package.json"));
const { Parser } = require("@asyncapi/parser");

const severities = ["error", "warning", "information", "hint"];
const { diagnostics, document } = await new Parser().parse(await readFile(documentPath, "utf8"));
for (const finding of diagnostics) {
  console.log(`${severities[finding.severity]} ${finding.path.join(".")} ${finding.message}`);
}
if (document) {
  console.log(`channels ${document.allChannels().length} messages ${document.allMessages().length}`);
}
process.exit(!document || diagnostics.some((finding) => finding.severity <= 1) ? 1 : 0);
