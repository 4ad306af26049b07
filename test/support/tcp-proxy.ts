import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Hands on what comes, when it likes. */
export type Way = (chunks: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

export interface ProxyWays {
  /** From the client to the broker. @default at once */
  readonly requests?: Way;
  /** From the broker to the client. @default at once */
  readonly answers?: Way;
}

const atOnce: Way = (chunks) => chunks;

/** Stands between a client and the broker, and does to the line what it is told to. */
export class TcpProxy implements AsyncDisposable {
  /** How long each chunk of bytes waits, in milliseconds. */
  delayMs = 0;
  readonly #target: URL;
  readonly #ways: ProxyWays;
  readonly #sockets = new Set<Socket>();
  /** Sockets to clients whose other side hears nothing of their end. */
  readonly #stranded = new Set<Socket>();
  readonly #clients = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  /** Resolves when the ice melts. */
  #frozen: { readonly until: Promise<void>; readonly thaw: () => void } | undefined;

  private constructor(target: string, ways: ProxyWays) {
    this.#target = new URL(target);
    this.#ways = ways;
  }

  static async to(target: string, ways: ProxyWays = {}): Promise<TcpProxy> {
    const proxy = new TcpProxy(target, ways);
    await proxy.accept();
    return proxy;
  }

  /** The same broker, virtual host and credentials, through the proxy. */
  get url(): string {
    const url = new URL(this.#target);
    url.hostname = '127.0.0.1';
    url.port = String(this.#port);
    return url.href;
  }

  /** How many connections go through it. */
  get open(): number {
    return this.#sockets.size / 2;
  }

  /** Resets every connection: no farewell of either side. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resets the client's side of every connection. The broker's side stays open and silent: for the broker nothing has happened. */
  strand(): void {
    for (const client of this.#clients) {
      this.#stranded.add(client);
      client.resetAndDestroy();
    }
  }

  /** Ends every connection in order, as far as TCP is concerned: both sides get a FIN, and no word of AMQP. */
  end(): void {
    for (const socket of this.#sockets) socket.end();
  }

  /** From now on no byte passes, and no end of a connection, those that are opened meanwhile included. */
  freeze(): void {
    if (this.#frozen) return;
    let thaw = (): void => undefined;
    const until = new Promise<void>((resolve) => {
      thaw = resolve;
    });
    this.#frozen = { until, thaw };
  }

  thaw(): void {
    this.#frozen?.thaw();
    this.#frozen = undefined;
  }

  /** Nobody listens any more: new connections are refused. Those that are open go on. */
  refuse(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** Listens, again on the same port. */
  async accept(): Promise<void> {
    if (this.#server) return;
    const server = createServer({ allowHalfOpen: true });
    this.#server = server;
    server.on('connection', (client) => this.#join(client));
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    this.#port = address.port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.refuse();
    for (const socket of this.#sockets) socket.destroy();
    this.thaw();
    if (server && this.#sockets.size > 0) await once(server, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #join(client: Socket): void {
    const { hostname, port } = this.#target;
    const broker = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const pair = [client, broker] as const;
    this.#clients.add(client);
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.#clients.delete(socket);
        if (this.#stranded.delete(socket)) return;
        void this.#whenThawed().then(() => pair.forEach((other) => other.destroy()));
      });
    }
    const { requests = atOnce, answers = atOnce } = this.#ways;
    void this.#pass(requests(bytesOf(client)), broker).catch(() => undefined);
    void this.#pass(answers(bytesOf(broker)), client).catch(() => undefined);
  }

  /** When it throws, one of the two sockets has gone, and takes the other one along. */
  async #pass(chunks: AsyncIterable<Buffer>, to: Socket): Promise<void> {
    for await (const chunk of chunks) {
      if (this.delayMs > 0) await sleep(this.delayMs);
      await this.#whenThawed();
      if (!to.write(chunk)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
    }
    await this.#whenThawed();
    to.end();
  }

  async #whenThawed(): Promise<void> {
    while (this.#frozen) await this.#frozen.until;
  }
}

/** One side may have said all that it has to say, and still listen. */
const bytesOf = (socket: Socket): AsyncIterable<Buffer> => socket.iterator({ destroyOnReturn: false });
