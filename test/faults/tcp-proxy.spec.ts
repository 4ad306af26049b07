import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** Says again what it hears, on the line that it hears it on. */
const startEcho = async () => {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('data', (bytes) => {
      heard.push(String(bytes));
      if (socket.writable) socket.write(bytes);
    });
  });
  const heard: string[] = [];
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, heard, end: () => sockets.forEach((socket) => socket.end()) };
};

const startLine = async (url: string) => {
  const proxy = await TcpProxy.to(url);
  onTestFinished(() => proxy.close());
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  await once(socket, 'connect');
  const heard: string[] = [];
  socket.on('data', (bytes) => heard.push(String(bytes)));
  socket.on('end', () => heard.push('the end'));
  return { proxy, socket, heard };
};

it('a line that is frozen lets no byte and no end pass, either way, until it thaws', async () => {
  const echo = await startEcho();
  const [frozen, open] = [await startLine(echo.url), await startLine(echo.url)];
  frozen.socket.write('before');
  await eventually(() => expect(frozen.heard).toEqual(['before']));

  frozen.proxy.freeze();
  frozen.socket.write('question');
  // On a line like it everything that comes later is there and back, again and again.
  for (let round = 1; round <= 20; round += 1) {
    open.socket.write(String(round));
    await eventually(() => expect(open.heard.at(-1)).toBe(String(round)));
  }
  expect(echo.heard).not.toContain('question');
  echo.end();
  await eventually(() => expect(open.heard.at(-1)).toBe('the end'));
  expect(frozen.heard).toEqual(['before']);

  frozen.proxy.thaw();
  await eventually(() => expect(frozen.heard).toEqual(['before', 'the end']));
  expect(echo.heard).toContain('question');
  await eventually(() => expect([frozen.proxy.open, open.proxy.open]).toEqual([0, 0]));
});
