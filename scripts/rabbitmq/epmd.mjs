import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { findEpmd } from './find.mjs';
import { LauncherError, PortTakenError } from './launcher-error.mjs';
import { endGroup } from './processes.mjs';

/** @import { Watchdog } from './watchdog.mjs' */

/**
 * Erlang's port mapper, private to one node and those beside it. A node would start one itself, as a daemon nobody
 * knows the id of; started here and in the foreground, it is a child like any other.
 *
 * @typedef {object} Epmd
 * @property {number} port
 * @property {() => Promise<void>} stop
 */

const START_LIMIT_MS = 5_000;
const POLL_MS = 20;

/** @param {number} port */
async function isListening(port) {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/**
 * Starts it and resolves once it listens: a node that started earlier would start a daemon of its own.
 *
 * @param {{ port: number, folder: string, env: NodeJS.ProcessEnv, watchdog: Watchdog }} options
 * @returns {Promise<Epmd>}
 */
export async function startEpmd({ port, folder, env, watchdog }) {
  const program = await findEpmd();
  if (program === undefined)
    throw new LauncherError('RabbitMQ is installed, but Erlang (epmd, erl) is not on PATH.');
  const child = spawn(program, ['-port', String(port)], {
    detached: true,
    stdio: 'ignore',
    cwd: folder,
    env,
  });
  await once(child, 'spawn');
  const leader = /** @type {number} */ (child.pid);
  child.unref();
  const forget = watchdog.remember({ kind: 'group', leader });
  child.once('exit', forget);
  const deadline = Date.now() + START_LIMIT_MS;
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new PortTakenError(`${program} could not listen on port ${port}.`);
    if (Date.now() > deadline) throw new LauncherError(`${program} did not start.`);
    await sleep(POLL_MS);
  }
  return { port, stop: () => endGroup(leader, 1_000) };
}
