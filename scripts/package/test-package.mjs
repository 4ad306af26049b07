#!/usr/bin/env node
// Tries the package as its users get it: packed, installed into fresh applications, compiled there and run. Needs the
// registry; with POSTAGE_TEST_URL, the applications talk through that broker, too, and not only through the memory broker.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONSUMER_APPS, tryConsumer } from './consumer.mjs';
import { say } from './programs.mjs';
import { checkContents, lintPackage, pack } from './tarball.mjs';

/**
 * @param {string} what
 * @param {() => Promise<unknown>} work
 * @returns {Promise<boolean>} whether it went well
 */
async function check(what, work) {
  const startedAt = Date.now();
  const took = () => `(${((Date.now() - startedAt) / 1000).toFixed(1)} s)`;
  try {
    const printed = await work();
    say(`ok: ${what} ${took()}`);
    if (typeof printed === 'string') process.stdout.write(printed.replaceAll(/^(?=.)/gm, '  '));
    return true;
  } catch (error) {
    say(`FAILED: ${what} ${took()}\n${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

const folder = await mkdtemp(join(tmpdir(), 'postage-package-'));
try {
  const { path: tarball, files } = await pack(folder);
  const results = await Promise.all([
    check(`contents, ${files.length} files`, () => checkContents(files)),
    check('publint and attw', () => lintPackage(tarball)),
    ...CONSUMER_APPS.map((app) => check(app.name, () => tryConsumer(app, { tarball, folder }))),
  ]);
  if (results.includes(false)) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
