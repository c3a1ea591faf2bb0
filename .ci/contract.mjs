// Compares the built declarations with the contract, a file of spec/package/contract for each entry point, in both directions.
//
// What the contract promises and this version does not have yet stands in spec/package/contract/not-yet.json, and is cut
// out of the contract before the comparison. An entry that is there by mistake fails as loudly as one that is missing.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);
// TypeScript 7 has no stable API; api-extractor carries a compiler that has one.
const ts = createRequire(require.resolve("@microsoft/api-extractor/package.json"))("typescript");
const tsc = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");

const problems = [];
const absences = JSON.parse(readFileSync(join(root, "spec/package/contract/not-yet.json"), "utf8"));
const entryPoints = [
  entryPoint("api.d.ts", "dist/esm/index.js"),
  entryPoint("api-testing.d.ts", "dist/esm/testing/index.js"),
];

for (const each of entryPoints) compareNames(each);
compareTypes(entryPoints.map((each) => ({ ...each, text: contractSoFar(each) })));
for (const problem of problems) process.stdout.write(`${problem}\n`);
if (problems.length > 0) process.exitCode = 1;
else {
  const count = entryPoints.reduce((sum, { ours }) => sum + ours.size, 0);
  process.stdout.write(`${count} exported names agree with the contract\n`);
}

function entryPoint(file, built) {
  return {
    file,
    built: join(root, built),
    notYet: absences[file],
    contract: declarationsOf(join(root, "spec/package/contract", file)),
    ours: exportsOf(join(root, built.replace(/\.js$/, ".d.ts"))),
  };
}

/** Exported declarations by name; a name may have several (overloads, a constant and its type). */
function declarationsOf(file) {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ES2023, true);
  const names = new Map();
  for (const statement of source.statements) {
    const declared = ts.isVariableStatement(statement) ? statement.declarationList.declarations[0] : statement;
    const name = declared.name?.getText();
    if (name !== undefined) names.set(name, [...(names.get(name) ?? []), statement]);
  }
  return { source, names };
}

/** What an entry point exports, each name with whether it can be used as a value. */
function exportsOf(file) {
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    noLib: true,
  });
  const checker = program.getTypeChecker();
  const names = new Map();
  for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)))) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    names.set(symbol.name, {
      isValue: (target.flags & ts.SymbolFlags.Value) !== 0,
      isType: (target.flags & ts.SymbolFlags.Type) !== 0,
    });
  }
  return names;
}

function compareNames({ file, contract, ours, notYet }) {
  const absent = new Set(notYet.names);
  for (const name of contract.names.keys()) {
    if (!ours.has(name) && !absent.has(name)) problems.push(`missing: ${file} exports ${name}`);
    if (ours.has(name) && absent.has(name)) problems.push(`not-yet.json lists ${name}, but it is exported`);
  }
  for (const name of absent)
    if (!contract.names.has(name)) problems.push(`not-yet.json lists ${name}, which the contract does not have`);
  for (const name of ours.keys()) {
    if (!contract.names.has(name) && !notYet.addedNames.includes(name))
      problems.push(`added: ${name} is exported, but not in the contract`);
  }
  for (const name of notYet.addedNames)
    if (!ours.has(name)) problems.push(`addedNames lists ${name}, which is not exported`);
}

/** The contract's text without what is not there yet. */
function contractSoFar({ contract, notYet }) {
  const cuts = [];
  for (const name of notYet.names)
    for (const node of contract.names.get(name) ?? []) cuts.push([node.getFullStart(), node.end]);
  for (const [owner, members] of Object.entries(notYet.members)) {
    for (const member of members) {
      const found = nodesIn(contract, owner, (node) => isMember(node) && node.name?.getText() === member);
      if (found.length === 0) problems.push(`not-yet.json lists ${owner}.${member}, which the contract does not have`);
      for (const node of found) cuts.push([node.getFullStart(), node.end]);
    }
  }
  for (const [owner, variants] of Object.entries(notYet.variants)) {
    for (const variant of variants) {
      const found = nodesIn(
        contract,
        owner,
        (node) => ts.isUnionTypeNode(node.parent) && node.getText().includes(variant),
      );
      if (found.length === 0)
        problems.push(`not-yet.json lists a variant ${variant} of ${owner}, which the contract does not have`);
      for (const node of found) cuts.push([node.getFullStart(), node.end, "never"]);
    }
  }
  let text = contract.source.text;
  const outermost = cuts.filter(
    ([start, end]) => !cuts.some(([from, to]) => from <= start && end <= to && to - from > end - start),
  );
  for (const [start, end, instead = ""] of outermost.sort((a, b) => b[0] - a[0])) {
    text = `${text.slice(0, start)} ${instead}${text.slice(end)}`;
  }
  return text;
}

function isMember(node) {
  return ts.isPropertySignature(node) || ts.isMethodSignature(node) || ts.isPropertyDeclaration(node);
}

function nodesIn(contract, owner, wanted) {
  const found = [];
  const visit = (node) => {
    if (wanted(node)) found.push(node);
    else ts.forEachChild(node, visit);
  };
  for (const declaration of contract.names.get(owner) ?? []) ts.forEachChild(declaration, visit);
  return found;
}

function compareTypes(reduced) {
  const folder = join(root, "node_modules/.cache/pocketmq");
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(folder, "contract-"));
  try {
    for (const each of reduced) {
      writeFileSync(join(work, each.file), each.text);
      writeFileSync(join(work, comparisonOf(each)), comparison(each));
    }
    writeFileSync(
      join(work, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.json"),
        compilerOptions: {
          isolatedDeclarations: false,
          declaration: false,
          noUnusedLocals: false,
          skipLibCheck: false,
          types: ["node"],
        },
        files: reduced.flatMap((each) => [each.file, comparisonOf(each)]),
        include: [],
      }),
    );
    execFileSync(process.execPath, [tsc, "-p", work, "--pretty", "false"], { encoding: "utf8" });
  } catch (failure) {
    if (typeof failure.stdout !== "string") throw failure;
    problems.push(failure.stdout.trimEnd());
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function comparisonOf({ file }) {
  return `compare-${basename(file, ".d.ts")}.ts`;
}

function comparison({ file, built, contract, ours, notYet }) {
  const lines = [
    `import type * as Contract from "./${basename(file, ".d.ts")}.js";`,
    `import type * as Ours from ${JSON.stringify(built)};`,
    "type KeysOf<T> = T extends object ? keyof T : never;",
    "declare function none<Left extends never>(...left: Left[]): void;",
    "declare function fits<Wide, _Narrow extends Wide>(): void;",
  ];
  for (const [name, { isValue, isType }] of ours) {
    if (!contract.names.has(name) || notYet.names.includes(name)) continue;
    const added = (notYet.addedMembers[name] ?? []).map((member) => JSON.stringify(member));
    const ourPart = added.length === 0 ? `Ours.${name}` : `Omit<Ours.${name}, ${added.join(" | ")}>`;
    const known = [`KeysOf<Contract.${name}>`, ...added].join(" | ");
    if (isType) {
      lines.push(`fits<Contract.${name}, Ours.${name}>(); // ${name}: ours fits where the contract's is wanted`);
      lines.push(`fits<${ourPart}, Contract.${name}>(); // ${name}: the contract's fits where ours is wanted`);
      lines.push(`none<Exclude<KeysOf<Contract.${name}>, KeysOf<Ours.${name}>>>(); // ${name}: no member is forgotten`);
      lines.push(`none<Exclude<KeysOf<Ours.${name}>, ${known}>>(); // ${name}: no member is added or listed wrongly`);
    }
    if (isValue && !isClass(contract, name)) {
      lines.push(
        `fits<typeof Contract.${name}, typeof Ours.${name}>();`,
        `fits<typeof Ours.${name}, typeof Contract.${name}>();`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

/** How a class is constructed is not part of the contract; what its instances are is. */
function isClass(contract, name) {
  return contract.names.get(name).some((node) => ts.isClassDeclaration(node));
}
