import { LauncherError } from './launcher-error.mjs';
import { probeAmqp, probeManagement } from './probe.mjs';

/** @import { Broker } from './obtain.mjs' */

const PROBE_LIMIT_MS = 5_000;

/**
 * @param {string} variable
 * @param {string} text
 * @param {RegExp} protocol
 * @returns {URL}
 */
function parse(variable, text, protocol) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // The text itself stays out of the message: it may hold a password.
  if (url === undefined || !protocol.test(url.protocol) || url.hostname === '') {
    throw new LauncherError(
      `${variable} is not a URL such as ${variable.includes('MANAGEMENT') ? 'http' : 'amqp'}://guest:guest@127.0.0.1.`,
    );
  }
  return url;
}

/** @param {URL} broker */
function defaultManagementUrl({ username, password, hostname }) {
  return `http://${username || 'guest'}:${password || 'guest'}@${hostname}:15672`;
}

/** @param {URL} url */
function redacted(url) {
  const copy = new URL(url);
  if (copy.password !== '') copy.password = '***';
  return copy.href;
}

/**
 * @param {string} variable
 * @param {URL} url
 * @param {Promise<void>} probe
 */
async function demand(variable, url, probe) {
  try {
    await probe;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new LauncherError(`${variable} (${redacted(url)}) cannot be used: ${why}.`, { cause: error });
  }
}

/**
 * Uses a broker that runs already, having checked that it and its management API answer.
 *
 * @param {string} url
 * @param {string} [managementUrl] by default port 15672 of the same host, with the same user and password
 * @returns {Promise<Broker>}
 * @throws {LauncherError}
 */
export async function useGivenBroker(url, managementUrl) {
  const amqp = parse('POSTAGE_TEST_URL', url, /^amqps?:$/);
  const management = parse(
    'POSTAGE_TEST_MANAGEMENT_URL',
    managementUrl || defaultManagementUrl(amqp),
    /^https?:$/,
  );
  await demand('POSTAGE_TEST_URL', amqp, probeAmqp(url, PROBE_LIMIT_MS));
  await demand('POSTAGE_TEST_MANAGEMENT_URL', management, probeManagement(management.href, PROBE_LIMIT_MS));
  return { url, managementUrl: management.href.replace(/\/$/, ''), env: {}, stop: async () => {} };
}
