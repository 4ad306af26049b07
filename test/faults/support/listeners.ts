import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A listener on this machine that is no broker; it ends with the test. Resolves with its port. */
export const listenWith = async (onConnection: (socket: Socket) => void): Promise<number> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the listener has no port');
  return address.port;
};

/** Accepts, and never says a word. */
export const silent = (): Promise<number> => listenWith(() => undefined);

/** Says something all the time, and never enough. */
export const dribbling = (): Promise<number> =>
  listenWith((socket) => {
    const timer = setInterval(() => socket.write('\x01'), 50);
    socket.on('close', () => clearInterval(timer));
  });

/** Answers whatever comes, and hangs up. */
export const answering = (text: string): Promise<number> =>
  listenWith((socket) => socket.once('data', () => socket.end(text)));

export const hangingUp = (): Promise<number> => listenWith((socket) => socket.end());

/** Nobody listens there, or nobody did a moment ago. */
export const CLOSED_PORT = 1;
