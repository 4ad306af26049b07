import { randomBytes } from 'node:crypto';
import { startEpmd } from './epmd.mjs';
import { findRabbitmqctl, findRabbitmqServer } from './find.mjs';
import { LauncherError, PortTakenError } from './launcher-error.mjs';
import { removeNodeFolder } from './leftovers.mjs';
import { fillNodeFolder, makeTemporaryFolder } from './node-folder.mjs';
import { launchNode } from './node-process.mjs';
import { reservePorts } from './reserved-ports.mjs';
import { run } from './run.mjs';
import { Watchdog } from './watchdog.mjs';

/** @import { NodeIdentity, NodeSettings } from './node-folder.mjs' */
/** @import { NodeProcess, NodeProcessOptions } from './node-process.mjs' */

/**
 * @typedef {object} PrivateNodeOptions
 * @property {readonly string[]} [plugins] plugins to enable beside rabbitmq_management
 * @property {NodeSettings['config']} [config] lines of rabbitmq.conf, added to ours
 * @property {NodeSettings['tls']} [tls] ssl_options of a listener for TLS, which it then has beside the plain one
 * @property {string} [nodename] Erlang's name of the node, `x@localhost`; by default a random one
 * @property {PrivateNode} [beside] a node to share the cookie and the port mapper of, so that the two can form a
 *   cluster; stop that one last
 * @property {number} [readyTimeoutMs] how long a start may take; by default 90,000
 * @property {AbortSignal} [signal] gives up the first start
 * @property {Watchdog} [watchdog] by default one of the node's own
 */

const READY_LIMIT_MS = 90_000;

/** A RabbitMQ node of our own on 127.0.0.1, user and password `guest`. Made by {@link startPrivateNode}. */
export class PrivateNode {
  #launch;
  #process;
  #release;

  /** @type {Promise<void> | undefined} */
  #stopped;

  /**
   * @param {object} parts
   * @param {NodeIdentity} parts.identity
   * @param {NodeProcessOptions} parts.launch how to start it again
   * @param {NodeProcess} parts.firstRun
   * @param {() => Promise<void>} parts.release frees everything but the process
   */
  constructor({ identity, launch, firstRun, release }) {
    this.#launch = launch;
    this.#process = firstRun;
    this.#release = release;
    this.identity = identity;
    this.url = launch.url;
    this.managementUrl = launch.managementUrl;
    /** A script that runs rabbitmqctl for this node. */
    this.ctlPath = launch.folder.ctl;
  }

  /** The process of the present run, or of the last one. */
  get pid() {
    return this.#process.pid;
  }

  /**
   * Runs rabbitmqctl for this node (1 to 3 s) and resolves with its stdout.
   *
   * @param {...string} args
   * @returns {Promise<string>}
   */
  ctl(...args) {
    return run(this.ctlPath, args);
  }

  /** Crashes the node: SIGKILL, nothing is flushed. Its data stay, for {@link restart}. */
  kill() {
    return this.#process.kill();
  }

  /** Starts the node again on the same data and ports, ending it in order first if it still runs. */
  async restart() {
    await this.#process.end();
    this.#process = await launchNode(this.#launch);
  }

  /** Ends the node and removes everything it left. Further calls wait for the first. */
  stop() {
    this.#stopped ??= this.#process.discard().then(this.#release);
    return this.#stopped;
  }
}

/** Frees what a node holds, in the reverse order it was acquired. */
class Holdings {
  /** @type {(() => unknown)[]} */
  #releases = [];

  /** @param {() => unknown} release */
  add(release) {
    this.#releases.push(release);
  }

  release = async () => {
    for (const release of this.#releases.splice(0).toReversed()) await release();
  };
}

/**
 * @param {PrivateNodeOptions} options
 * @param {Holdings} held
 * @returns {Promise<NodeIdentity>}
 */
async function chooseIdentity({ beside, nodename, tls }, held) {
  const reserved = await reservePorts(5);
  held.add(reserved.release);
  const [amqpPort, managementPort, distPort, epmdPort, tlsPort] =
    /** @type {[number, number, number, number, number]} */ (reserved.ports);
  return {
    name: nodename ?? `postage-${randomBytes(4).toString('hex')}@localhost`,
    cookie: beside?.identity.cookie ?? randomBytes(16).toString('hex'),
    epmdPort: beside?.identity.epmdPort ?? epmdPort,
    amqpPort,
    managementPort,
    distPort,
    tlsPort: tls && tlsPort,
  };
}

/** @returns {Promise<{ server: string, rabbitmqctl: string }>} */
async function findPrograms() {
  const server = await findRabbitmqServer();
  if (server === undefined)
    throw new LauncherError('There is no rabbitmq-server to start a private node with.');
  const rabbitmqctl = await findRabbitmqctl(server);
  if (rabbitmqctl === undefined) throw new LauncherError(`There is no rabbitmqctl beside ${server}.`);
  return { server, rabbitmqctl };
}

/**
 * @param {PrivateNodeOptions} options
 * @param {Holdings} held
 */
async function open(options, held) {
  const { plugins = [], config = {}, tls = {}, beside, watchdog, signal } = options;
  const { server, rabbitmqctl } = await findPrograms();
  const identity = await chooseIdentity(options, held);
  const guard = watchdog ?? new Watchdog();
  if (watchdog === undefined) held.add(() => guard.close());

  const path = await makeTemporaryFolder();
  held.add(guard.remember({ kind: 'folder', path }));
  held.add(() => removeNodeFolder(path));
  const settings = { plugins: ['rabbitmq_management', ...plugins], config, tls, rabbitmqctl };
  const folder = await fillNodeFolder(path, identity, settings);

  if (beside === undefined) {
    const epmd = await startEpmd({ port: identity.epmdPort, folder: path, env: folder.env, watchdog: guard });
    held.add(epmd.stop);
  }
  const launch = {
    server,
    folder,
    watchdog: guard,
    url: `amqp://guest:guest@127.0.0.1:${identity.amqpPort}`,
    managementUrl: `http://guest:guest@127.0.0.1:${identity.managementPort}`,
    tlsPort: identity.tlsPort,
    readyTimeoutMs: options.readyTimeoutMs ?? READY_LIMIT_MS,
  };
  const firstRun = await launchNode({ ...launch, signal });
  return new PrivateNode({ identity, launch, firstRun, release: held.release });
}

/**
 * Starts a private node and resolves once AMQP and the management API answer and every listener is there (about 6 s). Everything it
 * writes is in a new temporary folder. Should this process die without `stop()`, a watchdog clears up.
 *
 * @example
 * const node = await startPrivateNode({ config: { channel_max: 8 } });
 * await node.kill();
 * await node.restart();
 * await node.stop();
 *
 * @param {PrivateNodeOptions} [options]
 * @returns {Promise<PrivateNode>}
 * @throws {LauncherError} with the end of the node's log
 */
export async function startPrivateNode(options = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const held = new Holdings();
    try {
      return await open(options, held);
    } catch (error) {
      await held.release();
      if (!(error instanceof PortTakenError) || attempt === 2) throw error;
    }
  }
}
