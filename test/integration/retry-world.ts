import type { LoggerService } from '@nestjs/common';
import type { ConsumeMessage } from 'amqplib';
import {
  defineExchange,
  type Eqk,
  type PostageContext,
  type QueueFlags,
  type QueueSpec,
} from 'nestjs-postage';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import type { World } from './world.js';

/** One run of a handler, as it saw itself. */
export interface RunSeen {
  readonly attempt: number;
  readonly lastError: string | undefined;
  readonly firstFailureAt: Date | undefined;
  readonly exchange: string;
  readonly routingKey: string;
  readonly atMs: number;
}

export const seen = (context: PostageContext): RunSeen => {
  const { attempt, lastError, firstFailureAt, exchange, routingKey } = context;
  return { attempt, lastError, firstFailureAt, exchange, routingKey, atMs: performance.now() };
};

export class DiskFull extends Error {}
export class Offline extends Error {}

/** Short waits, without chance. */
export const QUICK = { attempts: 3, backoffMs: [20, 60], jitter: 0 } as const;

export interface RetryQueue {
  readonly queue: string;
  readonly exchange: string;
  readonly eqk: Eqk;
}

/** A queue behind an exchange of its own, with the key `key`. */
export const retryQueue = (flags?: QueueFlags, name = uniqueName('retry')): RetryQueue => {
  const exchange = defineExchange({ name: uniqueName('x') });
  const spec: QueueSpec = flags === undefined ? name : { name, flags };
  return { queue: name, exchange: exchange.name, eqk: [[exchange, [[spec, 'key']]]] };
};

/** What comes to a queue, which has to exist. */
export const watch = (world: World, queue: string): Promise<Inbox<ConsumeMessage>> =>
  world.peer.consume(queue);

export const headersOf = (message: ConsumeMessage | undefined): Record<string, unknown> => ({
  ...message?.properties.headers,
});

/** Waits until every one of these queues is empty and nobody holds a message of it. */
export const untilEmpty = async (world: World, queues: readonly string[]): Promise<void> => {
  for (const queue of queues) {
    await eventually(async () => {
      const { messageCount } = await world.peer.channel.checkQueue(queue);
      if (messageCount > 0) throw new Error(`${messageCount} messages are in "${queue}"`);
    });
  }
};

/** Every line that would be written, by level and context. */
export class Lines implements LoggerService {
  readonly all: string[] = [];
  readonly #add =
    (level: string) =>
    (text: unknown, ...more: readonly unknown[]): void =>
      void this.all.push(`${level} [${String(more.at(-1))}] ${String(text)}`);
  readonly log = this.#add('log');
  readonly error = this.#add('error');
  readonly warn = this.#add('warn');
  readonly debug = this.#add('debug');
  readonly verbose = this.#add('verbose');

  about(text: string): readonly string[] {
    return this.all.filter((line) => line.includes(text));
  }
}
