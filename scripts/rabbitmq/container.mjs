import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { LauncherError } from './launcher-error.mjs';
import { removeContainer } from './leftovers.mjs';
import { probeAmqp, probeManagement } from './probe.mjs';
import { say } from './progress.mjs';
import { run } from './run.mjs';

/** @import { Broker } from './obtain.mjs' */
/** @import { Watchdog } from './watchdog.mjs' */

const DEFAULT_IMAGE = 'rabbitmq:3.13-management';
const ENGINE_LIMIT_MS = 5_000;
const DOCKER_LIMIT_MS = 30_000;
const PULL_LIMIT_MS = 600_000;
const READY_LIMIT_MS = 90_000;
const READY_POLL_MS = 250;
const PROBE_LIMIT_MS = 2_000;

/**
 * Whether an engine answers. The docker command alone says nothing: it may be there without one.
 *
 * @returns {Promise<boolean>}
 */
export async function dockerAnswers() {
  const args = ['info', '--format', '{{.ServerVersion}}'];
  const version = await run('docker', args, { timeoutMs: ENGINE_LIMIT_MS }).catch(() => '');
  return version.trim() !== '';
}

/**
 * @param {string} name
 * @param {number} port the port inside the container
 * @returns {Promise<string>} host:port outside
 */
async function publishedAt(name, port) {
  const output = await run('docker', ['port', name, `${port}/tcp`], { timeoutMs: DOCKER_LIMIT_MS });
  const [address = ''] = output.trim().split('\n');
  return address;
}

/**
 * @param {{ url: string, managementUrl: string }} addresses
 * @param {AbortSignal} signal
 */
async function waitUntilReady({ url, managementUrl }, signal) {
  const deadline = Date.now() + READY_LIMIT_MS;
  for (;;) {
    try {
      await probeAmqp(url, PROBE_LIMIT_MS);
      return await probeManagement(managementUrl, PROBE_LIMIT_MS);
    } catch (error) {
      signal.throwIfAborted();
      if (Date.now() > deadline) throw error;
    }
    await sleep(READY_POLL_MS);
  }
}

/**
 * @param {string} name
 * @param {string} image
 * @param {AbortSignal} signal
 */
async function open(name, image, signal) {
  const ports = ['--publish', '127.0.0.1::5672', '--publish', '127.0.0.1::15672'];
  const args = ['run', '--detach', '--rm', '--name', name, ...ports, image];
  await run('docker', args, { timeoutMs: PULL_LIMIT_MS, signal });
  const url = `amqp://guest:guest@${await publishedAt(name, 5672)}`;
  const managementUrl = `http://guest:guest@${await publishedAt(name, 15672)}`;
  await waitUntilReady({ url, managementUrl }, signal);
  return { url, managementUrl };
}

/**
 * @param {string} name
 * @param {unknown} error
 */
async function startFailure(name, error) {
  const why = error instanceof Error ? error.message : String(error);
  const log = await run('docker', ['logs', '--tail', '40', name], { timeoutMs: DOCKER_LIMIT_MS }).catch(
    () => '',
  );
  return new LauncherError(`The RabbitMQ container did not start: ${why}\n${log}`.trimEnd(), {
    cause: error,
  });
}

/**
 * Starts RabbitMQ in a container and resolves once it answers; pulls the image first where it is missing.
 *
 * @param {{ watchdog: Watchdog, signal: AbortSignal }} options
 * @returns {Promise<Broker>}
 * @throws {LauncherError} with the end of the container's log
 */
export async function startContainer({ watchdog, signal }) {
  const image = process.env['POSTAGE_TEST_IMAGE'] || DEFAULT_IMAGE;
  const name = `postage-rabbitmq-${randomBytes(6).toString('hex')}`;
  say(`starting a container of ${image}`);
  // Before it exists: a pull that is cut off may still end in a container.
  const forget = watchdog.remember({ kind: 'container', name });
  const stop = () => removeContainer(name).then(forget);
  try {
    return { ...(await open(name, image, signal)), env: {}, stop };
  } catch (error) {
    const failure = signal.aborted ? signal.reason : await startFailure(name, error);
    await stop().catch(() => {});
    throw failure;
  }
}
