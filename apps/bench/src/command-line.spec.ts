import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseArguments, USAGE, UsageError } from './command-line.js';

const NOTHING = {
  only: [],
  quick: false,
  rounds: undefined,
  seconds: undefined,
  json: undefined,
  markdown: undefined,
  check: undefined,
  store: false,
  profile: undefined,
  allocations: undefined,
  list: false,
  help: false,
};

describe('parseArguments', () => {
  it('of nothing asks for a full run', () => {
    expect(parseArguments([])).toEqual(NOTHING);
  });

  it('reads every flag', () => {
    const argv = '--quick --only rpc,bare --rounds 3 --seconds 0.5 --json a.json --markdown b.md --store';
    expect(parseArguments(argv.split(' '))).toEqual({
      ...NOTHING,
      quick: true,
      only: ['rpc', 'bare'],
      rounds: 3,
      seconds: 0.5,
      json: 'a.json',
      markdown: 'b.md',
      store: true,
    });
    expect(parseArguments(['--profile', 'cpu', '--allocations', 'heap', '--list', '--help'])).toEqual({
      ...NOTHING,
      profile: 'cpu',
      allocations: 'heap',
      list: true,
      help: true,
    });
  });

  it('takes values behind an equals sign as well', () => {
    expect(parseArguments(['--rounds=7', '--json=x=y.json'])).toEqual({
      ...NOTHING,
      rounds: 7,
      json: 'x=y.json',
    });
  });

  it('adds up what --only is given', () => {
    expect(parseArguments(['--only', 'rpc', '--only=bare,,nest']).only).toEqual(['rpc', 'bare', 'nest']);
  });

  it.for([
    ['a file', ['--check', 'old.json', '--quick'], 'old.json'],
    ['nothing, at the end', ['--check'], ''],
    ['nothing, before another flag', ['--check', '--quick'], ''],
  ] as const)('gives --check %s', ([, argv, file]) => {
    expect(parseArguments(argv).check).toBe(file);
  });

  it.for([
    [['--fast'], 'unknown argument "--fast"'],
    [['rpc'], 'unknown argument "rpc"'],
    [['-h'], 'unknown argument "-h"'],
    [['--constructor'], 'unknown argument "--constructor"'],
    [['--only'], '--only needs a value'],
    [['--json='], '--json needs a value'],
    [['--json', '--quick'], '--json needs a value'],
    [['--quick=yes'], '--quick takes no value'],
    [['--rounds', '0'], '--rounds takes a whole number above 0, not "0"'],
    [['--rounds', '1.5'], '--rounds takes a whole number above 0, not "1.5"'],
    [['--seconds', 'two'], '--seconds takes a number above 0, not "two"'],
    [['--seconds', 'Infinity'], '--seconds takes a number above 0, not "Infinity"'],
  ] as const)('refuses %s', ([argv, message]) => {
    expect(() => parseArguments(argv)).toThrow(UsageError);
    expect(() => parseArguments(argv)).toThrow(message);
  });
});

describe('the usage', () => {
  it('names every flag, and stands in the README', () => {
    for (const name of Object.keys(NOTHING)) expect(USAGE).toContain(`--${name}`);
    expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain(USAGE);
  });
});
