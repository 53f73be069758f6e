// Copies the few files that the portal serves from node_modules to static/vendor.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const read = (path) => readFileSync(`node_modules/${path}`, "utf8");
const write = (name, text) => writeFileSync(`static/vendor/${name}`, text);
const withoutMap = (text) => text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");

mkdirSync("static/vendor", { recursive: true });

// In a layer of its own: every rule of portal.css wins over it, whatever its specificity.
const pico = read("@picocss/pico/css/pico.min.css").replace(/^@charset "UTF-8";/, "");
write("pico.css", `@charset "UTF-8";@layer pico{${pico}}\n`);
write("htmx.js", withoutMap(read("htmx.org/dist/htmx.min.js")));
write("uplot.js", withoutMap(read("uplot/dist/uPlot.iife.min.js")));
write("uplot.css", read("uplot/dist/uPlot.min.css"));

const licences = [
  ["@picocss/pico", "LICENSE.md"],
  ["htmx.org", "LICENSE"],
  ["uplot", "LICENSE"],
];
write("LICENSES.txt", licences.map(([name, file]) => `${name}\n\n${read(`${name}/${file}`)}\n`).join("\n"));
