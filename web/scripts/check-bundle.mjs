// Fails when the script that the first screen loads exceeds its budget. Reads the build's manifest.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET_KB = 180;
const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));

/** The entry, which holds the screen that opens first, and what it imports statically. */
function filesOf(key, files = new Set()) {
  const chunk = manifest[key];
  if (!chunk || files.has(chunk.file)) return files;
  files.add(chunk.file);
  for (const imported of chunk.imports ?? []) filesOf(imported, files);
  return files;
}

const first = filesOf("index.html");

const sizes = [...first].map((file) => [file, gzipSync(readFileSync(new URL(file, dist))).length / 1000]);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
for (const [file, size] of sizes.sort((a, b) => b[1] - a[1])) console.log(`${size.toFixed(1).padStart(8)} KB  ${file}`);
console.log(`${total.toFixed(1).padStart(8)} KB  first load, gzip (budget ${BUDGET_KB} KB)`);
if (total > BUDGET_KB) {
  console.error("The first load is over its budget.");
  process.exit(1);
}
