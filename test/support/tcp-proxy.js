import { connect, createServer } from 'node:net';
/** Stands between a client and the broker, and cuts the line when told to. */
export class TcpProxy {
  url;
  #server;
  #sockets = new Set();
  constructor(
    server,
    /** The same broker, virtual host and credentials, through the proxy. */
    url,
  ) {
    this.url = url;
    this.#server = server;
  }
  static async to(target) {
    const { hostname, port } = new URL(target);
    const server = createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String(address.port);
    const proxy = new TcpProxy(server, url.href);
    server.on('connection', (client) => proxy.#join(client, connect(Number(port), hostname)));
    return proxy;
  }
  /** How many connections go through it. */
  get open() {
    return this.#sockets.size / 2;
  }
  /** Resets every connection: no farewell of either side. */
  cut() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
  async close() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
  [Symbol.asyncDispose]() {
    return this.close();
  }
  #join(client, broker) {
    const pair = [client, broker];
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        for (const other of pair) other.destroy();
      });
    }
    client.pipe(broker).pipe(client);
  }
}
