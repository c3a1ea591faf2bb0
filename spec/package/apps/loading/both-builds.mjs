// An application and its dependencies may mix import and require: they get one library.

import { createRequire } from "node:module";

const entryPoint = process.argv[2];
const imported = await import(entryPoint);
const required = createRequire(import.meta.url)(entryPoint);
const names = Object.keys(required).sort();
process.stdout.write(
  JSON.stringify({
    sameNames: JSON.stringify(names) === JSON.stringify(Object.keys(imported).sort()),
    sameValues: names.every((name) => required[name] === imported[name]),
  }),
);
