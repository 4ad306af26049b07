import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { LauncherError, PortTakenError } from './launcher-error.mjs';
import { probeAmqp, probeListener, probeManagement } from './probe.mjs';
import { endGroup, killAll } from './processes.mjs';

/** @import { ChildProcess } from 'node:child_process' */
/** @import { NodeFolder } from './node-folder.mjs' */
/** @import { Watchdog } from './watchdog.mjs' */

/**
 * One run of a node, from start to end or crash.
 *
 * @typedef {object} NodeProcess
 * @property {number} pid the process a crash test kills
 * @property {() => Promise<void>} end ends it in order, by force only if it hangs
 * @property {() => Promise<void>} discard ends it where nobody wants its data any more
 * @property {() => Promise<void>} kill
 */

/**
 * @typedef {object} NodeProcessOptions
 * @property {string} server the launcher rabbitmq-server
 * @property {NodeFolder} folder
 * @property {string} url
 * @property {string} managementUrl
 * @property {number | undefined} [tlsPort]
 * @property {number} readyTimeoutMs
 * @property {Watchdog} watchdog
 * @property {AbortSignal | undefined} [signal] gives up the start
 */

const READY_POLL_MS = 100;
const PROBE_LIMIT_MS = 2_000;
const SHUTDOWN_LIMIT_MS = 15_000;
/** Connections and data are closed within 50 ms; the management plugin then waits 5 s for nothing. */
const DISCARD_LIMIT_MS = 1_500;
const LOG_LINES = 40;
/** For AMQP and management, for the distribution port, and for a port mapper that is none. */
const PORT_TAKEN = /eaddrinuse|dist_port_already_used|nodistribution/;

/**
 * A node that has been spawned, and need not be ready.
 *
 * @typedef {object} Launched
 * @property {ChildProcess} child
 * @property {number} leader the id of its process group
 * @property {number} logStart where in the log it begins to write
 */

/**
 * In a group of its own: Ctrl-C at the terminal must reach the command alone, the node has to last until it ended.
 *
 * @param {NodeProcessOptions} options
 * @returns {Promise<Launched>}
 */
async function spawnNode({ server, folder, watchdog }) {
  const log = await open(folder.log, 'a');
  try {
    const stdio = /** @type {const} */ (['ignore', log.fd, log.fd]);
    const { size } = await log.stat();
    const child = spawn(server, [], { detached: true, stdio: [...stdio], cwd: folder.path, env: folder.env });
    await once(child, 'spawn');
    child.unref();
    const leader = /** @type {number} */ (child.pid);
    child.once('exit', watchdog.remember({ kind: 'group', leader }));
    return { child, leader, logStart: size };
  } finally {
    await log.close();
  }
}

/** @param {ChildProcess} child */
const hasEnded = (child) => child.exitCode !== null || child.signalCode !== null;

/** @param {NodeProcessOptions} options */
async function whyNotReady({ url, managementUrl, tlsPort }) {
  try {
    await probeAmqp(url, PROBE_LIMIT_MS);
    await probeManagement(managementUrl, PROBE_LIMIT_MS);
    if (tlsPort !== undefined) await probeListener(managementUrl, tlsPort, PROBE_LIMIT_MS);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * @param {NodeProcessOptions} options
 * @param {Launched} launched
 */
async function waitUntilReady(options, { child, logStart }) {
  /** @param {string} what */
  const failure = async (what) => startFailure(what, await readLog(options.folder.log, logStart));
  const deadline = Date.now() + options.readyTimeoutMs;
  for (;;) {
    const why = await whyNotReady(options);
    options.signal?.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null) throw await failure('ended while starting');
    if (why === undefined) return;
    // Without one of its listeners, a node runs all the same.
    const startError = await failure('could not listen');
    if (startError instanceof PortTakenError) throw startError;
    if (Date.now() > deadline) {
      throw await failure(`was not ready within ${options.readyTimeoutMs} ms (${why})`);
    }
    await sleep(READY_POLL_MS);
  }
}

/**
 * What this run has written.
 *
 * @param {string} path
 * @param {number} start where it begins
 */
async function readLog(path, start) {
  const content = await readFile(path).catch(() => Buffer.alloc(0));
  return content.toString('utf8', start);
}

/**
 * @param {string} what
 * @param {string} log
 */
function startFailure(what, log) {
  const lines = log.trimEnd().split('\n');
  const end = `The end of its log:\n${lines.slice(-LOG_LINES).join('\n')}`;
  const taken = lines.find((line) => PORT_TAKEN.test(line));
  return taken === undefined
    ? new LauncherError(`The RabbitMQ node ${what}. ${end}`)
    : new PortTakenError(`The RabbitMQ node ${what}: ${taken}\n${end}`);
}

/**
 * The id the node itself reports; the launcher's where they differ only if the launcher did not become the node.
 *
 * @param {NodeFolder} folder
 * @param {number} leader
 */
async function readPid(folder, leader) {
  const text = await readFile(folder.pidFile, 'utf8').catch(() => '');
  return Number.parseInt(text, 10) || leader;
}

/**
 * Starts a node on its folder and resolves once AMQP and the management API answer, and every listener is there.
 *
 * @param {NodeProcessOptions} options
 * @returns {Promise<NodeProcess>}
 */
export async function launchNode(options) {
  const launched = await spawnNode(options);
  const { child, leader } = launched;
  try {
    await waitUntilReady(options, launched);
  } catch (error) {
    // Nobody asks a node to end in order that never got going.
    await killAll([-leader]);
    throw error;
  }
  // Once it ended, its id may be another process's.
  const unlessEnded = (/** @type {() => Promise<void>} */ act) => async () => {
    if (!hasEnded(child)) await act();
  };
  return {
    pid: await readPid(options.folder, leader),
    end: unlessEnded(() => endGroup(leader, SHUTDOWN_LIMIT_MS)),
    discard: unlessEnded(() => endGroup(leader, DISCARD_LIMIT_MS)),
    kill: unlessEnded(() => killAll([-leader])),
  };
}
