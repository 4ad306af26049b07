import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

const AMQP_0_9_1_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]);
const METHOD_FRAME = 1;

/** @param {URL} url */
function open(url) {
  const secure = url.protocol === 'amqps:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || (secure ? 5671 : 5672));
  // Only reachability is asked and no secret is sent: whose certificate it is, is the command's business.
  return secure ? connectTls({ host, port, rejectUnauthorized: false }) : connectTcp({ host, port });
}

/**
 * Resolves once an AMQP 0-9-1 broker has greeted us at the address; does not log in.
 *
 * @param {string} address
 * @param {number} timeoutMs
 * @returns {Promise<void>}
 */
export function probeAmqp(address, timeoutMs) {
  return new Promise((resolve, reject) => {
    const url = new URL(address);
    const socket = open(url);
    /** @param {string} why */
    const fail = (why) => {
      socket.destroy();
      reject(new Error(why));
    };
    socket.setTimeout(timeoutMs, () => fail(`no answer within ${timeoutMs} ms`));
    socket.once('error', (error) => fail(describe(error)));
    socket.once('close', () => fail('it closed the connection'));
    socket.once(url.protocol === 'amqps:' ? 'secureConnect' : 'connect', () =>
      socket.write(AMQP_0_9_1_HEADER),
    );
    socket.once('data', (data) => {
      if (data[0] !== METHOD_FRAME) return fail('it does not speak AMQP 0-9-1');
      socket.destroy();
      resolve();
    });
  });
}

/**
 * Resolves once the management API has accepted the user and password of the address.
 *
 * @param {string} address
 * @param {number} timeoutMs
 * @returns {Promise<void>}
 */
export async function probeManagement(address, timeoutMs) {
  const response = await askOverview(address, timeoutMs);
  await response.body?.cancel();
}

/**
 * Resolves once a broker that listens on this port, too, has answered at the management API.
 *
 * @param {string} address
 * @param {number} port
 * @param {number} timeoutMs
 * @returns {Promise<void>}
 */
export async function probeListener(address, port, timeoutMs) {
  const response = await askOverview(address, timeoutMs);
  const { listeners } = /** @type {{ listeners: readonly { port: number }[] }} */ (await response.json());
  if (!listeners.some((listener) => listener.port === port))
    throw new Error(`it does not listen on port ${port}`);
}

/**
 * @param {string} address
 * @param {number} timeoutMs
 */
async function askOverview(address, timeoutMs) {
  const { origin, pathname, username, password } = new URL(address);
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authorization = `Basic ${Buffer.from(login).toString('base64')}`;
  const overview = `${origin}${pathname.replace(/\/$/, '')}/api/overview`;
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(overview, { headers: { authorization }, signal }).catch((error) => {
    throw new Error(describe(error), { cause: error });
  });
  if (response.ok) return response;
  await response.body?.cancel();
  if (response.status === 401) throw new Error('it refused the user or the password');
  throw new Error(`it answered ${response.status} to GET /api/overview`);
}

/**
 * The innermost reason: fetch says only "fetch failed", its cause says why.
 *
 * @param {unknown} error
 * @returns {string}
 */
function describe(error) {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return describe(error.cause);
  // OpenSSL puts the line of its source into the message, and what happened here.
  if ('reason' in error && typeof error.reason === 'string') return error.reason;
  const code = 'code' in error ? String(error.code) : '';
  return error.message || code || error.name;
}
