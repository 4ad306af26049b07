import { randomUUID } from 'node:crypto';
import type { PostageConnection } from '../connection/connection.js';
import type { Delivery } from '../connection/port.js';
import type { Handler } from '../consumer/handlers.js';
import { EMPTY_TOPOLOGY } from '../topology/binding.js';
import type { Exchange } from '../topology/types.js';
import type { MessageBody } from '../wire/body.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { JsonEncoder } from '../wire/json-encoder.js';
import { Message } from '../wire/message.js';
import { PrivateFeed } from './private-feed.js';
import { TwoWays } from './two-ways.js';

export interface CommandFeedOptions {
  readonly connection: PostageConnection;
  readonly exchange: Exchange;
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
 * feed was bound is in that queue alone. So once the feed is bound a marker is sent to both: all that stands behind it in the
 * queue is sure to come by the feed as well, and is left to it. Until the marker is read there,
 * whichever copy of a command comes first is taken.
 */
export class CommandFeed {
  readonly #options: CommandFeedOptions;
  readonly #feed: PrivateFeed;
  readonly #ways = new TwoWays();
  /** Undefined: no marker is on its way. */
  #marker: string | undefined;
  /** The queue has come to the marker. */
  #isSure = false;

  constructor(options: CommandFeedOptions) {
    const { connection, exchange, keys } = options;
    this.#options = options;
    this.#feed = new PrivateFeed({
      exchange,
      supervisor: connection.consuming,
      declarations: connection.consumingDeclarations,
      keys,
      onDelivery: options.onDelivery,
      onRestored: () => void this.#mark(),
      onLost: () => {
        this.#reset();
        // Its copies have gone with it, and perhaps those in the queue as well.
        this.#ways.clear();
      },
    });
  }

  /** Whether a command that has come by the feed is to be obeyed. */
  isFirst(delivery: Delivery): boolean {
    return this.#ways.byFeed(delivery);
  }

  /** Looks whether a message that has come by the feed is a marker: then everything sent before it has come, too. */
  pass(body: MessageBody): void {
    if (isMarker(body) && this.#isCurrent(body)) this.#ways.forgetQueue();
  }

  /** Reads the markers in the queue. */
  get handler(): Handler {
    return {
      pattern: { category: 'message', ...MARKER },
      label: 'the marker of the command feed',
      filters: [],
      repliesItself: false,
      invoke: async ({ body }) => {
        if (this.#isCurrent(body)) this.#isSure = true;
      },
    };
  }

  /** Whether a command in a queue is left to the feed; to be asked once for each delivery. */
  takes(delivery: Delivery, queue: string): boolean {
    if (delivery.exchange === '' || queue !== this.#options.queue) return false;
    return !this.#ways.byQueue(delivery, this.#isSure);
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

  #isCurrent({ content }: MessageBody): boolean {
    return this.#marker !== undefined && content['token'] === this.#marker;
  }

  #reset(): void {
    this.#marker = undefined;
    this.#isSure = false;
  }

  /**
   * By the names of both queues: whoever answers calls may write there. One that gets lost is no harm: until the next, copies
   * are matched.
   */
  async #mark(): Promise<void> {
    const token = randomUUID();
    this.#marker = token;
    const { queue } = this.#options;
    const feed = this.#feed.queue;
    await Promise.all([queue, ...(feed === undefined ? [] : [feed])].map((name) => this.#send(name, token)));
  }

  async #send(queue: string, token: string): Promise<void> {
    const { connection, fingerprint } = this.#options;
    const { body } = new Message({ ...MARKER, content: { token } });
    // Always understood, whatever the application's own encoder may be.
    const content = json.encode({ ...body, fingerprint });
    const properties = { contentType: json.contentType, deliveryMode: 1, messageId: randomUUID() };
    const message = { exchange: '', routingKey: queue, content, properties, mandatory: false };
    await connection
      .publish({ message, topology: EMPTY_TOPOLOGY, deadlineMs: MARKER_LIMIT_MS, alwaysWaits: true })
      .catch(() => undefined);
  }
}

const json = new JsonEncoder();

/** Not one of the commands that others may send. */
export const isMarker = ({ type, name }: { readonly type: string; readonly name?: unknown }): boolean =>
  type === MARKER.type && name === MARKER.name;
