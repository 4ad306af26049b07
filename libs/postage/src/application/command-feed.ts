import { randomUUID } from 'node:crypto';
import type { PostageConnection } from '../connection/connection.js';
import type { Delivery } from '../connection/port.js';
import type { Handler } from '../consumer/handlers.js';
import { EMPTY_TOPOLOGY } from '../topology/binding.js';
import type { Exchange } from '../topology/types.js';
import type { Codec } from '../wire/codec.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { Message } from '../wire/message.js';
import { PrivateFeed } from './private-feed.js';

export interface CommandFeedOptions {
  readonly connection: PostageConnection;
  readonly exchange: Exchange;
  readonly codec: Codec;
  readonly fingerprint: FingerprintDict;
  /** The queue of this process, which gets the same messages. */
  readonly queue: string;
  /** Keys that lead there at the moment of the question. */
  readonly keys: () => readonly string[];
  readonly onDelivery: (delivery: Delivery) => void;
}

const MARKER = { type: 'postage', name: 'command-feed-marker' } as const;
const MARKER_LIMIT_MS = 30_000;

/**
 * The second way to a process, for commands: whatever fan-out keys bring to its queue comes here, too, and never waits.
 *
 * Which of the two takes a command? The queue of the process is bound first, so that no work is lost; what came before the
 * feed was bound is in that queue alone. So once the feed is bound a marker is sent to the queue: all that stands behind it
 * there has come by the feed as well. Until the marker is read, commands are taken from both; they are such that twice is
 * not too often, and a call has one answer.
 */
export class CommandFeed {
  readonly #options: CommandFeedOptions;
  readonly #feed: PrivateFeed;
  /** Undefined: no marker is on its way. */
  #marker: string | undefined;
  #isComplete = false;

  constructor(options: CommandFeedOptions) {
    const { connection, exchange, keys, onDelivery } = options;
    this.#options = options;
    this.#feed = new PrivateFeed({
      exchange,
      supervisor: connection.consuming,
      declarations: connection.consumingDeclarations,
      keys,
      onDelivery,
      onRestored: () => void this.#mark(),
      onLost: () => this.#reset(),
    });
  }

  /** Reads the markers. */
  get handler(): Handler {
    return {
      pattern: { category: 'message', ...MARKER },
      label: 'the marker of the command feed',
      filters: [],
      repliesItself: false,
      invoke: async ({ body }) => {
        if (this.#marker !== undefined && body.content['token'] === this.#marker) this.#isComplete = true;
      },
    };
  }

  /** Whether a command in the queue of the process has come by the feed, too. */
  takes({ exchange }: Delivery, queue: string): boolean {
    return this.#isComplete && exchange !== '' && queue === this.#options.queue;
  }

  start(): Promise<void> {
    return this.#feed.start();
  }

  /** One more key, which `bindQueue` binds to the queue of the process. */
  async add(key: string, bindQueue: () => Promise<void>): Promise<void> {
    this.#reset();
    try {
      await bindQueue();
      await this.#feed.bind(key);
    } finally {
      void this.#mark();
    }
  }

  remove(key: string): Promise<void> {
    return this.#feed.unbind(key);
  }

  close(): Promise<void> {
    return this.#feed.close();
  }

  #reset(): void {
    this.#marker = undefined;
    this.#isComplete = false;
  }

  /** One that gets lost is no harm: until the next, commands are taken from both. */
  async #mark(): Promise<void> {
    const { connection, queue, codec, fingerprint } = this.#options;
    const token = randomUUID();
    this.#marker = token;
    const { body } = new Message({ ...MARKER, content: { token } });
    const content = codec.encode({ ...body, fingerprint });
    const properties = { contentType: codec.contentType, deliveryMode: 1, messageId: token };
    const message = { exchange: '', routingKey: queue, content, properties, mandatory: false };
    await connection
      .publish({ message, topology: EMPTY_TOPOLOGY, deadlineMs: MARKER_LIMIT_MS })
      .catch(() => undefined);
  }
}

/** Not one of the commands that others may send. */
export const isMarker = ({
  type,
  name,
}: {
  readonly type: string;
  readonly name?: string | undefined;
}): boolean => type === MARKER.type && name === MARKER.name;
