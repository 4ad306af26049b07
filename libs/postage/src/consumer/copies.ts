import { randomUUID } from 'node:crypto';
import type { PostageConnection } from '../connection/connection.js';
import type { OutgoingMessage } from '../connection/port.js';
import { InvalidOptionError, PostageError, PublishError } from '../errors.js';
import { EMPTY_TOPOLOGY } from '../topology/binding.js';
import type { Queue } from '../topology/types.js';
import { bareCopy } from './retry-copy.js';

/** A copy of a message, and the queue that it is for. */
export interface Copy {
  readonly message: OutgoingMessage;
  readonly queue: Queue;
  /** The queue has to be declared within this time before the copy is sent; undefined: it stays. */
  readonly leaseMs?: number | undefined;
}

export interface CopiesOptions {
  readonly connection: Pick<PostageConnection, 'publish' | 'consumingDeclarations'>;
  /** For connecting, sending and the broker's confirm. */
  readonly deadlineMs: number;
  readonly now: () => number;
}

/** Queues that were declared a short while ago; more than that are forgotten, which costs a declaration each. */
const MAX_LEASES = 1_000;

/** Sends copies of messages to queues, and makes the queues anew where they are missing. */
export class Copies {
  readonly #options: CopiesOptions;
  readonly #leases = new Map<string, number>();

  constructor(options: CopiesOptions) {
    this.#options = options;
  }

  /**
   * Resolves once the broker has it in that queue.
   * @throws {PublishError} it has not, or nobody knows
   * @throws {TopologyError} the queue is missing, and the broker refused to have it declared
   * @throws {ConnectionError} there is no connection to declare it on
   */
  async send(copy: Copy): Promise<void> {
    const messageId = copy.message.properties.messageId || randomUUID();
    const { queue, leaseMs, message } = copy;
    if (leaseMs !== undefined && this.#options.now() - this.#declaredAtMs(queue) >= leaseMs)
      await this.#declare(queue);
    try {
      await this.#publishOrDeclare(queue, withId(message, messageId));
    } catch (error) {
      // The driver could not write what somebody else has written: without it, rather than never.
      if (error instanceof PostageError && !(error instanceof InvalidOptionError)) throw error;
      await this.#publishOrDeclare(queue, withId(bareCopy(message), randomUUID()));
    }
  }

  async #publishOrDeclare(queue: Queue, message: OutgoingMessage): Promise<void> {
    try {
      await this.#publish(message);
    } catch (error) {
      const isMissing = error instanceof PublishError && error.code === 'UNROUTABLE';
      if (!isMissing) throw error;
      await this.#declare(queue);
      await this.#publish(message);
    }
  }

  #publish(message: OutgoingMessage): Promise<void> {
    const { connection, deadlineMs } = this.#options;
    return connection.publish({ message, topology: EMPTY_TOPOLOGY, deadlineMs, alwaysWaits: true });
  }

  #declaredAtMs({ name }: Queue): number {
    return this.#leases.get(name) ?? -Infinity;
  }

  /** Whatever we believe: the broker may have deleted it. */
  async #declare(queue: Queue): Promise<void> {
    const { connection, now } = this.#options;
    const declarations = connection.consumingDeclarations;
    const startedAtMs = now();
    declarations.forgetQueue(queue.name);
    await declarations.ensure({ ...EMPTY_TOPOLOGY, queues: [queue] });
    if (queue.arguments['x-expires'] === undefined) return;
    // There may be many of them, and none stays.
    declarations.forgetQueue(queue.name);
    if (this.#leases.size >= MAX_LEASES) this.#leases.clear();
    this.#leases.set(queue.name, startedAtMs);
  }
}

const withId = (message: OutgoingMessage, messageId: string): OutgoingMessage => ({
  ...message,
  properties: { ...message.properties, messageId: message.properties.messageId || messageId },
});
