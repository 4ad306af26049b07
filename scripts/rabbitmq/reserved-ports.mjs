import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports systems hand to outgoing connections (Linux: from 32768, macOS: from 49152). A node that is
 * killed finds its ports still free when it comes back, which port 0 of the system would not promise.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 31_999;
const ATTEMPTS_PER_PORT = 50;
const HOST = '127.0.0.1';

/** @import { Socket } from 'node:dgram' */

/**
 * Ports of 127.0.0.1 that nobody else is given, in whatever process, until they are released or this process ends.
 *
 * @typedef {object} ReservedPorts
 * @property {number[]} ports
 * @property {() => Promise<void>} release
 */

/** @param {number} port */
async function expectFreeForTcp(port) {
  const server = createServer();
  server.listen({ host: HOST, port, exclusive: true });
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}

/**
 * The UDP port of the same number is the claim: the node, which speaks TCP, does not want it, no two processes hold
 * it at once, and it goes with the process, however that ends.
 *
 * @param {number} port
 */
async function claim(port) {
  const socket = createSocket('udp4');
  try {
    socket.bind({ address: HOST, port, exclusive: true });
    await once(socket, 'listening');
    await expectFreeForTcp(port);
    return socket.unref();
  } catch (error) {
    socket.close();
    throw error;
  }
}

async function claimAny() {
  for (let attempt = 1; ; attempt += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    try {
      return await claim(port);
    } catch (error) {
      if (attempt === ATTEMPTS_PER_PORT) throw error;
    }
  }
}

/** @param {readonly Socket[]} claims */
const release = (claims) => Promise.all(claims.map((socket) => once(socket.close(), 'close')));

/**
 * Reserves different ports that nobody listens on: a node takes seconds until it does, and listens again after it was
 * killed and restarted.
 *
 * @param {number} count
 * @returns {Promise<ReservedPorts>}
 */
export async function reservePorts(count) {
  /** @type {Socket[]} */
  const claims = [];
  try {
    while (claims.length < count) claims.push(await claimAny());
  } catch (error) {
    await release(claims);
    throw error;
  }
  return {
    ports: claims.map((socket) => socket.address().port),
    release: async () => {
      await release(claims.splice(0));
    },
  };
}
