import { dockerAnswers, startContainer } from './container.mjs';
import { findRabbitmqServer } from './find.mjs';
import { useGivenBroker } from './given-broker.mjs';
import { canInstall, installRabbitmq } from './install.mjs';
import { LauncherError } from './launcher-error.mjs';
import { startPrivateNode } from './private-node.mjs';
import { say } from './progress.mjs';

/** @import { Watchdog } from './watchdog.mjs' */

/**
 * A broker the command may use.
 *
 * @typedef {object} Broker
 * @property {string} url
 * @property {string} managementUrl
 * @property {Readonly<Record<string, string>>} env further variables for the command
 * @property {() => Promise<void>} stop
 */

/**
 * @typedef {object} Surroundings
 * @property {Watchdog} watchdog
 * @property {AbortSignal} signal gives up
 */

const NO_BROKER = `There is no RabbitMQ to test with. One of these will do:
  - install it: "apt-get install rabbitmq-server" (Debian, Ubuntu) or "brew install rabbitmq" (macOS);
  - start a Docker engine (a container of rabbitmq:3.13-management is then used and removed again);
  - set POSTAGE_TEST_URL=amqp://user:password@host:5672 to a running broker with the management plugin.`;

/**
 * @param {Surroundings} surroundings
 * @returns {Promise<Broker>}
 */
async function privateBroker(surroundings) {
  const node = await startPrivateNode(surroundings);
  const { url, managementUrl } = node;
  const env = { POSTAGE_TEST_RABBITMQCTL: node.ctlPath, POSTAGE_TEST_NODE_PID: String(node.pid) };
  return { url, managementUrl, env, stop: () => node.stop() };
}

/** @param {AbortSignal} signal */
async function install(signal) {
  say('no RabbitMQ and no Docker engine here: installing the rabbitmq-server package');
  const onAbort = () => say('finishing the installation first');
  signal.addEventListener('abort', onAbort, { once: true });
  await installRabbitmq();
  signal.removeEventListener('abort', onAbort);
  signal.throwIfAborted();
}

/**
 * Gets a broker the cheapest way there is: a given one, an installed one, a container, or an installation.
 *
 * @param {Surroundings} surroundings
 * @returns {Promise<Broker>}
 * @throws {LauncherError}
 */
export async function obtainBroker(surroundings) {
  const { POSTAGE_TEST_URL: url, POSTAGE_TEST_MANAGEMENT_URL: managementUrl } = process.env;
  if (url) return useGivenBroker(url, managementUrl);
  if (await findRabbitmqServer()) return privateBroker(surroundings);
  if (await dockerAnswers()) return startContainer(surroundings);
  if (await canInstall()) {
    await install(surroundings.signal);
    return privateBroker(surroundings);
  }
  throw new LauncherError(NO_BROKER);
}
