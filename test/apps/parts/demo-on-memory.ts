import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { brokerUrl } from '../../support/rabbit.js';
import { runToEnd, type Environment, type Exit } from '../support/program.js';
import { DEMO_TEXTS, textsIn } from './demo-texts.js';

const DEMO = 'demo/dist/main.js';

export const demoOnMemory = (): void => {
  describe('the demo without RabbitMQ', () => {
    it('needs no environment at all', async ({ skip }) => {
      skip(await isOpen(5672), 'something listens at localhost:5672 already');
      expect(await runDemo({})).toEqual(inMemory('no connection to amqp://localhost:5672/%2F'));
    });

    it('runs in memory where nothing listens', async () => {
      const server = await listen(() => undefined);
      const port = portOf(server);
      server.close();
      await once(server, 'close');
      expect(await runDemo({ POSTAGE_PORT: port })).toEqual(
        inMemory(`no connection to amqp://localhost:${port}/%2F`),
      );
    });

    it.each([
      ['closes the connection', (socket: Socket) => void socket.destroy()],
      ['says nothing', () => undefined],
      [
        'speaks HTTP',
        (socket: Socket) => void socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
      ],
      ['speaks SSH', (socket: Socket) => void socket.write('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')],
      [
        'speaks another AMQP',
        (socket: Socket) => void socket.end(Buffer.from('AMQP\x03\x01\x00\x00', 'latin1')),
      ],
    ])('runs in memory where something listens that %s', async (_, onConnection) => {
      const server = await listen(onConnection);
      expect(await runDemo({ POSTAGE_PORT: portOf(server) })).toEqual(
        inMemory('no connection to amqp://localhost'),
      );
    });

    it('runs in memory where the broker refuses the user', async () => {
      const { hostname, port } = new URL(brokerUrl());
      const environment = { POSTAGE_HOST: hostname, POSTAGE_PORT: port, POSTAGE_PASSWORD: 'a-wrong-secret' };
      const run = await runDemo(environment);
      expect(run).toEqual(inMemory('refused the user name or password'));
      expect(run.broker).not.toContain('a-wrong-secret');
    });

    it('does not replace a broker that POSTAGE_URL asks for', async () => {
      const { program, exit } = await runToEnd(DEMO, { POSTAGE_URL: 'amqp://user:a-secret@127.0.0.1:1' });

      expect(exit).toEqual({ code: 1, signal: null });
      expect(program.stdout.text).not.toContain('in memory');
      expect(program.stderr.text).toContain('The demo failed: no connection to amqp://127.0.0.1:1/%2F');
      expect(program.stderr.text).not.toContain('a-secret');
    });
  });
};

interface Run {
  /** The first line. */
  readonly broker: string | undefined;
  readonly texts: readonly string[];
  readonly errors: readonly string[];
  readonly exit: Exit;
}

const runDemo = async (environment: Environment): Promise<Run> => {
  const { program, exit } = await runToEnd(DEMO, environment);
  const { text, lines } = program.stdout;
  return { broker: lines[0], texts: textsIn(text), errors: program.stderr.lines, exit };
};

/** A good run in memory, with the reason why. */
const inMemory = (reason: string): Run => ({
  broker: expect.stringMatching(`^Broker: in memory, inside this process \\(.*${reason}.*\\)$`) as string,
  texts: DEMO_TEXTS,
  errors: [],
  exit: { code: 0, signal: null },
});

/** A server on both of localhost's addresses that ends with the test. */
const listen = async (onConnection: (socket: Socket) => void): Promise<Server> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(0);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return server;
};

const portOf = (server: Server): string => String((server.address() as AddressInfo).port);

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, 'localhost');
    const conclude = (open: boolean) => (): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', conclude(true));
    socket.once('error', conclude(false));
  });
