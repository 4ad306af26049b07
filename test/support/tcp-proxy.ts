import { connect, createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** Hands on what comes, when it likes. */
export type Way = (chunks: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

export interface ProxyWays {
  /** From the client to the broker. @default at once */
  readonly requests?: Way;
  /** From the broker to the client. @default at once */
  readonly answers?: Way;
}

const atOnce: Way = (chunks) => chunks;

/** Stands between a client and the broker, and cuts the line when told to. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(
    server: Server,
    /** The same broker, virtual host and credentials, through the proxy. */
    readonly url: string,
  ) {
    this.#server = server;
  }

  static async to(target: string, ways: ProxyWays = {}): Promise<TcpProxy> {
    const { hostname, port } = new URL(target);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String(address.port);
    const proxy = new TcpProxy(server, url.href);
    server.on('connection', (client) => proxy.#join(client, connect(Number(port), hostname), ways));
    return proxy;
  }

  /** How many connections go through it. */
  get open(): number {
    return this.#sockets.size / 2;
  }

  /** Resets every connection: no farewell of either side. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #join(client: Socket, broker: Socket, { requests = atOnce, answers = atOnce }: ProxyWays): void {
    const pair = [client, broker] as const;
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        for (const other of pair) other.destroy();
      });
    }
    for (const way of [pipeline(client, requests, broker), pipeline(broker, answers, client)])
      way.catch(() => undefined);
  }
}
