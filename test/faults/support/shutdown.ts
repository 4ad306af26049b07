import type { ConsumeMessage } from 'amqplib';
import { onTestFinished } from 'vitest';
import { command, call } from '../../integration/world.js';
import { ChildProgram } from '../../support/child-program.js';
import { eventually, Inbox } from '../../support/eventually.js';
import { createVhost, uniqueName, type Vhost } from '../../support/rabbit.js';
import { RawPeer } from '../../support/raw-peer.js';
import type { ShutdownConfig } from './shutdown-program.js';

export const PROGRAM = 'test/faults/support/shutdown-program.ts';
export const PREFETCH = 5;
export const QUEUED = 20;

const idOf = ({ content }: Pick<ConsumeMessage, 'content'>): number => {
  const { content: inner } = JSON.parse(content.toString()) as {
    content: { parameters?: number; value?: number };
  };
  return inner.parameters ?? inner.value ?? 0;
};

export interface Left {
  readonly id: number;
  readonly redelivered: boolean;
}

/** A program that is to be ended while it works, and what others see of it. */
export class Ending {
  readonly vhost: Vhost;
  readonly peer: RawPeer;
  readonly config: ShutdownConfig;
  readonly child: ChildProgram;
  readonly replies: Inbox<ConsumeMessage>;
  readonly results: Inbox<ConsumeMessage>;

  private constructor(parts: Pick<Ending, 'vhost' | 'peer' | 'config' | 'child' | 'replies' | 'results'>) {
    ({
      vhost: this.vhost,
      peer: this.peer,
      config: this.config,
      child: this.child,
      replies: this.replies,
      results: this.results,
    } = parts);
  }

  /**
   * Starts it with 20 requests waiting in its queue. It ends with the test.
   * @param urlOf where it connects to, for example through a proxy
   */
  static async start(
    given: Pick<ShutdownConfig, 'kind'> & Partial<ShutdownConfig>,
    urlOf: (url: string) => string | Promise<string> = (url) => url,
  ): Promise<Ending> {
    const vhost = await createVhost('shutdown');
    onTestFinished(() => vhost.delete());
    const peer = await RawPeer.connect(vhost.url);
    onTestFinished(() => peer.close());
    const config = {
      queue: uniqueName('work'),
      results: uniqueName('results'),
      workMs: 2_000,
      drainTimeoutMs: 30_000,
      ...given,
    };
    await peer.channel.assertQueue(config.queue);
    await peer.channel.assertQueue(config.results);
    const { queue: replyTo } = await peer.channel.assertQueue('', { exclusive: true });
    const parts = { replies: await peer.consume(replyTo), results: await peer.consume(config.results) };
    for (let id = 1; id <= QUEUED; id += 1)
      peer.publish('', config.queue, call('work', id), { contentType: 'application/json', replyTo });
    const env = { SHUTDOWN_URL: await urlOf(vhost.url) };
    const child = new ChildProgram(PROGRAM, { args: [JSON.stringify(config)], env });
    onTestFinished(() => child.close());
    return new Ending({ ...parts, vhost, peer, config, child });
  }

  /** Puts a message into the queue that no handler ever ends. */
  stick(id: number): void {
    this.peer.publish('', this.config.queue, command('stick', id), { contentType: 'application/json' });
  }

  /** Resolves once it listens to signals, and so many handlers have begun. */
  async begun(count = PREFETCH): Promise<void> {
    await this.child.saying('started');
    await this.child.saying('begun', count);
  }

  ids(event: string): number[] {
    return this.child.said(event).map(({ id }) => Number(id));
  }

  async repliesOf(count: number): Promise<number[]> {
    return (await this.replies.take(count, 30_000)).map(idOf);
  }

  async resultsOf(count: number): Promise<number[]> {
    return (await this.results.take(count, 30_000)).map(idOf);
  }

  /** Resolves once the program consumes its queue no more. */
  async unconsumed(): Promise<void> {
    await eventually(async () => {
      const { consumerCount } = await this.peer.channel.checkQueue(this.config.queue);
      if (consumerCount > 0) throw new Error('it is still consumed');
    }, 30_000);
  }

  /** What is in the queue, once the program consumes it no more. */
  async left(): Promise<Left[]> {
    await this.unconsumed();
    const { channel } = this.peer;
    const { queue } = this.config;
    const left: Left[] = [];
    for (let got = await channel.get(queue); got !== false; got = await channel.get(queue))
      left.push({ id: idOf(got), redelivered: got.fields.redelivered });
    return left;
  }
}
