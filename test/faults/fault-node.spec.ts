import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.js';
import { connects } from './support/attempt.js';
import { tlsNode, trusted } from './support/tls-node.js';

const node = tlsNode();
const HOST = '127.0.0.1';

it('keeps its ports from the nodes of other processes, which claim them in the same way', async () => {
  const claim = createSocket('udp4').bind({ address: HOST, port: node.port, exclusive: true });
  onTestFinished(() => void claim.close());
  await expect(once(claim, 'listening')).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

it('has not started where it can not listen on each of its ports, and starts once it can', async () => {
  await node.plain.kill();
  // The system may let go of the port a moment after the process.
  const other = await eventually(async () => {
    const server = createServer().listen({ host: HOST, port: node.port, exclusive: true });
    await once(server, 'listening');
    return server;
  });
  onTestFinished(() => void other.close());

  await expect(node.plain.restart()).rejects.toThrow(/could not listen[^]*eaddrinuse/);

  other.close();
  await once(other, 'close');
  await node.plain.restart();
  await connects({ url: node.url(), tls: await trusted() });
});
