import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports systems hand to outgoing connections (Linux: from 32768, macOS: from 49152). A node that is
 * killed finds its ports still free when it comes back, which port 0 of the system would not promise.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 31_999;
const ATTEMPTS_PER_PORT = 50;

/** @param {number} port */
async function hold(port) {
  const server = createServer();
  server.listen({ host: '127.0.0.1', port, exclusive: true });
  await once(server, 'listening');
  return server;
}

async function holdAnyPort() {
  for (let attempt = 1; ; attempt += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    try {
      return { port, server: await hold(port) };
    } catch (error) {
      if (attempt === ATTEMPTS_PER_PORT) throw error;
    }
  }
}

/**
 * Finds different ports of 127.0.0.1 nobody listens on.
 *
 * @param {number} count
 * @returns {Promise<number[]>}
 */
export async function freePorts(count) {
  const held = [];
  try {
    // All are held until the last is found, so that no port is found twice.
    for (let index = 0; index < count; index += 1) held.push(await holdAnyPort());
    return held.map(({ port }) => port);
  } finally {
    await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))));
  }
}
