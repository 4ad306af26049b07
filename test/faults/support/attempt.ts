import {
  ConnectionError,
  DEFAULT_EXCHANGE,
  PostageClient,
  type ConnectionOptions,
  type ConnectionProvider,
  type PostageEvent,
} from 'nestjs-postage';
import { Inbox } from '../../support/eventually.js';

type Connection = ConnectionOptions | ConnectionProvider;

/** An application that does nothing but connect. */
export class Connecting implements AsyncDisposable {
  readonly events = new Inbox<PostageEvent>();
  readonly client: PostageClient;
  readonly #done: Promise<unknown>;

  constructor(connection: Connection) {
    this.client = new PostageClient({
      connection,
      eks: [[DEFAULT_EXCHANGE, 'nobody']],
      reconnect: { initialDelayMs: 50, maxDelayMs: 200 },
      log: false,
      observer: this.events.push,
    });
    // What it fails with is told to the observer, too.
    this.#done = this.client.connect().catch((error: unknown) => error);
  }

  /** The errors of its first attempts. */
  async failures(count: number, limitMs = 30_000): Promise<ConnectionError[]> {
    await this.events.take(count, limitMs);
    return this.events.items.slice(0, count).map((event) => {
      if (event.kind === 'connection.failed' && event.error instanceof ConnectionError) return event.error;
      throw new Error(`it did not fail: ${event.kind}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.#done;
  }
}

export interface Failure {
  readonly error: ConnectionError;
  readonly tookMs: number;
}

/** How the first attempt fails. */
export const firstFailure = async (connection: Connection): Promise<Failure> => {
  const begin = performance.now();
  await using application = new Connecting(connection);
  const [error] = await application.failures(1);
  if (!error) throw new Error('there is no error');
  return { error, tookMs: performance.now() - begin };
};

/** Connects, says what the connection leads to, and closes it. */
export const connects = async (connection: Connection): Promise<string> => {
  await using application = new Connecting(connection);
  const [event] = await application.events.take(1, 30_000);
  if (event?.kind === 'connection.ready') return event.address;
  throw event?.kind === 'connection.failed' ? event.error : new Error(`it did not connect: ${event?.kind}`);
};
