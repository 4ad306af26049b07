#!/usr/bin/env node
// Runs a command with a real RabbitMQ broker, and leaves nothing behind. See obtain.mjs for where it comes from.
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from './rabbitmq/find.mjs';
import { listenForInterruption } from './rabbitmq/interruption.mjs';
import { LauncherError } from './rabbitmq/launcher-error.mjs';
import { obtainBroker } from './rabbitmq/obtain.mjs';
import { say, tolerateClosedStderr } from './rabbitmq/progress.mjs';
import { commandNotFound, runCommand } from './rabbitmq/run-command.mjs';
import { Watchdog } from './rabbitmq/watchdog.mjs';

/** @import { Broker } from './rabbitmq/obtain.mjs' */

const USAGE = `usage: with-rabbitmq.mjs [--as VARIABLE]... command [argument]...

Runs the command with POSTAGE_TEST_URL and POSTAGE_TEST_MANAGEMENT_URL set to a RabbitMQ broker, and with
POSTAGE_TEST_RABBITMQCTL and POSTAGE_TEST_NODE_PID where the broker is a node of its own.
  --as VARIABLE   sets this variable to the broker's URL, too`;

/**
 * @param {readonly string[]} argv
 * @returns {{ aliases: string[], command: [string, ...string[]] }}
 */
function parseArguments(argv) {
  const rest = [...argv];
  const aliases = [];
  while (rest[0]?.startsWith('-')) {
    const option = rest.shift();
    if (option === '--') break;
    const variable = rest.shift();
    if (option !== '--as' || !/^\w+$/.test(variable ?? '')) throw new LauncherError(USAGE, { exitCode: 2 });
    aliases.push(String(variable));
  }
  const [program, ...args] = rest;
  if (program === undefined) throw new LauncherError(USAGE, { exitCode: 2 });
  return { aliases, command: [program, ...args] };
}

/** PATH with the programs of the repository's npm packages. */
function searchPath() {
  const local = fileURLToPath(new URL('../node_modules/.bin', import.meta.url));
  return `${local}${delimiter}${process.env['PATH'] ?? ''}`;
}

/**
 * @param {Broker} broker
 * @param {readonly string[]} aliases
 * @returns {NodeJS.ProcessEnv}
 */
function commandEnvironment({ url, managementUrl, env }, aliases) {
  return {
    ...process.env,
    PATH: searchPath(),
    ...Object.fromEntries(aliases.map((variable) => [variable, url])),
    POSTAGE_TEST_URL: url,
    POSTAGE_TEST_MANAGEMENT_URL: managementUrl,
    ...env,
  };
}

/** @returns {Promise<number>} the exit code */
async function main() {
  const { aliases, command } = parseArguments(process.argv.slice(2));
  // Before the broker is started, which takes some seconds.
  if ((await findProgram(command[0], searchPath())) === undefined) throw commandNotFound(command[0]);
  const signal = listenForInterruption();
  const watchdog = new Watchdog();
  try {
    const startedAt = Date.now();
    const broker = await obtainBroker({ watchdog, signal });
    try {
      signal.throwIfAborted();
      say(
        `RabbitMQ is ready on ${new URL(broker.url).host} after ${((Date.now() - startedAt) / 1000).toFixed(1)} s`,
      );
      return await runCommand(command, { env: commandEnvironment(broker, aliases), watchdog, signal });
    } finally {
      // The command's result counts, even where tidying up fails; the watchdog then tries again.
      await broker.stop().catch((error) => say(`could not end RabbitMQ: ${error}`));
    }
  } finally {
    await watchdog.close();
  }
}

tolerateClosedStderr();
try {
  process.exit(await main());
} catch (error) {
  const expected = error instanceof LauncherError;
  say(expected ? error.message : String(error instanceof Error ? error.stack : error));
  process.exit(expected ? error.exitCode : 1);
}
