#!/usr/bin/env node
// Prints what the tests of faults have measured, as a table in Markdown: the last measurement of each fault counts.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @typedef {Record<string, string | number | undefined> & { fault: string, test: string }} Measurement */

const FILE = fileURLToPath(new URL('../.cache/faults.jsonl', import.meta.url));
const COLUMNS = /** @type {const} */ (['sent', 'handled', 'duplicated', 'lost', 'resumeMs']);
const TITLES = ['Fault', 'Test', 'Sent', 'Handled', 'Duplicated', 'Lost', 'Resumes after', 'More'];

/** @returns {Measurement[]} */
function readMeasurements() {
  const lines = readFileSync(FILE, 'utf8').split('\n').filter(Boolean);
  const all = lines.map((line) => /** @type {Measurement} */ (JSON.parse(line)));
  const last = new Map(all.map((each) => [`${each.test} ${each.fault}`, each]));
  return [...last.values()].toSorted((a, b) => `${a.test} ${a.fault}`.localeCompare(`${b.test} ${b.fault}`));
}

/** @param {string | number | undefined} value */
const plain = (value) => (typeof value === 'number' ? value.toLocaleString('en') : (value ?? ''));

/**
 * @param {string} column
 * @param {string | number | undefined} value
 */
const shown = (column, value) =>
  column === 'resumeMs' && value !== undefined ? `${plain(value)} ms` : plain(value);

/** @param {Measurement} measurement */
function row({ fault, test, ...facts }) {
  const known = COLUMNS.map((column) => shown(column, facts[column]));
  const more = Object.entries(facts).filter(
    ([key, value]) => value !== undefined && !COLUMNS.some((column) => column === key),
  );
  return [fault, test, ...known, more.map(([key, value]) => `${key} ${plain(value)}`).join(', ')];
}

const rows = [TITLES, TITLES.map(() => '---'), ...readMeasurements().map(row)];
console.log(rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n'));
