import { describe, expect, it } from 'vitest';
import { filesUnder, importsOf, specifiersIn, type Import } from './sources.js';

const SRC = 'libs/postage/src/';
const BARRELS = [`${SRC}index.ts`, `${SRC}testing/index.ts`];

interface Rule {
  readonly parts: readonly string[];
  readonly packages?: RegExp;
}

const NODE = /^node:/;
const CORE = ['errors', 'wire', 'topology', 'observability', 'connection'];

/** Who may import what. Data flows down this table; imports point up it. */
const MAY_IMPORT: Readonly<Record<string, Rule>> = {
  errors: { parts: [] },
  wire: { parts: ['errors'], packages: NODE },
  topology: { parts: ['errors'] },
  observability: { parts: ['errors', 'wire'] },
  connection: { parts: ['errors', 'topology', 'observability'], packages: /^(amqplib$|node:)/ },
  producer: { parts: CORE, packages: NODE },
  consumer: { parts: CORE, packages: NODE },
  application: { parts: [...CORE, 'producer', 'consumer'], packages: NODE },
  nest: { parts: [...CORE, 'producer', 'consumer', 'application'], packages: /^(@nestjs\/|rxjs$|node:)/ },
  testing: { parts: ['errors', 'wire', 'topology', 'connection'], packages: NODE },
  index: { parts: [...CORE, 'producer', 'consumer', 'application', 'nest'] },
};
const NO_RULE: Rule = { parts: [] };

/** A unit test stands beside its subject and may import the same, the memory broker and tools for tests. */
const TOOLS = /^(vitest|fast-check|@msgpack\/msgpack|node:.*)$/;
const inSpecs = ({ parts, packages }: Rule): Rule => ({
  parts: [...parts, 'testing'],
  packages: new RegExp(`${TOOLS.source}|${packages?.source ?? '^$'}`),
});

const isSpec = (file: string): boolean => file.endsWith('.spec.ts');

/** `libs/postage/src/wire/body.ts` belongs to `wire`, `libs/postage/src/errors.ts` to `errors`. */
const partOf = (file: string): string => /^([^/.]*)/.exec(file.slice(SRC.length))?.[1] ?? '';

const allowed = ({ from, to, isFile }: Import): boolean => {
  const part = partOf(from);
  const rule = MAY_IMPORT[part] ?? NO_RULE;
  const { parts, packages } = isSpec(from) ? inSpecs(rule) : rule;
  if (!isFile) return packages?.test(to) ?? false;
  return to.startsWith(SRC) && (partOf(to) === part || parts.includes(partOf(to)));
};

const describeImport = ({ from, to }: Import): string => `${from} imports ${to}`;

const sources = filesUnder(SRC);
const imports = sources.flatMap(importsOf);

describe('the import direction', () => {
  it('has a rule for every part of the library', () => {
    const parts = new Set(sources.map(partOf));
    expect([...parts].filter((part) => !(part in MAY_IMPORT))).toEqual([]);
  });

  it.each(Object.keys(MAY_IMPORT))('of %s points up the table', (part) => {
    const violations = imports.filter((each) => partOf(each.from) === part && !allowed(each));
    expect(violations.map(describeImport)).toEqual([]);
  });

  it('never goes through a barrel', () => {
    const violations = imports.filter(({ to }) => BARRELS.includes(to));
    expect(violations.map(describeImport)).toEqual([]);
  });

  it.each([
    [`import { a } from 'found';`],
    [`import type { A } from 'found';`],
    [`import 'found';`],
    [`export * from 'found';`],
    [`export type { A } from 'found';`],
    [`const a = await import('found');`],
    [`let a: import('found').A;`],
    [`import a = require('found');`],
  ])('is checked for %s', (text) => {
    expect(specifiersIn(text)).toEqual(['found']);
  });
});

const ENTRIES = ['nestjs-postage', 'nestjs-postage/testing'];
/** What an app offers to others, as the demo that runs them all. */
const APP_ENTRY = /^apps\/[^/]+\/dist\/index\.ts$/;
/** The suites that test what stands below the public surface: what a link to a broker does. */
const DEEP = /^test\/contract\//;
/** Where brokers for the tests of faults come from. */
const NODES = /^test\/faults\/support\//;

/** Apps and tests use the library as its users do. */
const asUser = (folder: string, { from, to, isFile }: Import): boolean => {
  if (!isFile) return !to.startsWith('nestjs-postage') || ENTRIES.includes(to);
  if (to.startsWith(folder) || APP_ENTRY.test(to)) return true;
  if (NODES.test(from) && to.startsWith('scripts/rabbitmq/')) return true;
  return DEEP.test(from) && to.startsWith(SRC) && !BARRELS.includes(to);
};

/** `apps/basic-echo/`, or `test/` itself. */
const homeOf = (file: string): string => /^(?:apps\/[^/]+|test)\//.exec(file)?.[0] ?? '';

describe('apps and tests', () => {
  it.each(['apps/', 'test/'])('in %s import the library by its public entries', (folder) => {
    const files = filesUnder(folder).filter((file) => file.endsWith('.ts'));
    const violations = files.flatMap(importsOf).filter((each) => !asUser(homeOf(each.from), each));
    expect(violations.map(describeImport)).toEqual([]);
  });
});

describe('the files', () => {
  const written = ['libs/', 'apps/', 'test/', 'scripts/'].flatMap(filesUnder);

  it('have names in kebab-case, with a role after a dot', () => {
    const code = written.filter((file) => /\.(ts|mts|js|mjs|cjs)$/.test(file));
    expect(code.filter((file) => !/^([a-z0-9-]+\/)+[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(file))).toEqual([]);
  });

  it('are sources: a compiled file beside one would be loaded in its place', () => {
    expect(written.filter((file) => /\.(js|d\.ts|map)$/.test(file))).toEqual([]);
  });
});
