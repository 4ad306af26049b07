import { Module, type INestApplicationContext, type INestMicroservice, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DEFAULT_EXCHANGE,
  GenericConsumer,
  GenericProducer,
  MessageHandler,
  Parameters,
  PostageConnection,
  PostageModule,
  Processor,
  Producer,
  type CallOptions,
  type PostageModuleOptions,
  type QueueFlags,
} from 'nestjs-postage';
import { onTestFinished } from 'vitest';
import { Events } from '../../integration/world.js';
import { startReceiver } from '../../support/apps.js';
import { eventually } from '../../support/eventually.js';
import { uniqueName } from '../../support/rabbit.js';
import { report, type Measurement } from './measure.js';
import { NumberedSender, Tally, type SenderOptions } from './numbered.js';

type AppOptions = Omit<PostageModuleOptions, 'observer'>;

export interface TrafficOptions {
  /** Of both applications. */
  readonly options: AppOptions;
  /** Laid over those, for the one that handles numbers. */
  readonly receiver?: AppOptions;
  /** Laid over those, for the one that sends them. */
  readonly sender?: AppOptions;
  /** Of the queue, which is durable. */
  readonly flags?: QueueFlags;
  /** Further classes with handlers. */
  readonly controllers?: readonly Type[];
  /** How numbers are sent. @default { window: 20, pauseMs: 10 } */
  readonly sending?: SenderOptions;
  /** Of each message. */
  readonly call?: CallOptions;
  /** What the handler does before it is done. */
  readonly work?: (number: number) => unknown;
  /** Handles the command `note` of the same queue. */
  readonly onNote?: (parameters: unknown) => void;
}

/** For outages of some seconds: by default the waits would become as long as those. */
export const RECONNECT = { initialDelayMs: 50, maxDelayMs: 500 } as const;
/** For faults one after the other: by default the waits would grow from one to the next. */
export const RECONNECT_AT_ONCE = { initialDelayMs: 10, maxDelayMs: 100 } as const;
const LIMIT_MS = 60_000;

/** Numbers go to the queue that the key names. */
@Producer({ eks: [[DEFAULT_EXCHANGE, 'nobody']] })
class Numbers extends GenericProducer {}

export interface Totals {
  readonly sent: number;
  readonly handled: number;
  readonly duplicated: number;
  readonly lost: number;
}

/** One application that sends numbers without end, and one that handles them. */
export class Traffic {
  readonly tally = new Tally();
  readonly receiverEvents = new Events();
  readonly senderEvents = new Events();
  readonly queue = uniqueName('numbers');
  readonly #options: TrafficOptions;
  #receiver: INestMicroservice | undefined;
  #sender: INestApplicationContext | undefined;
  #numbers: NumberedSender | undefined;

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  /** For one test: it ends with the test, however that ends. */
  static async start(options: TrafficOptions): Promise<Traffic> {
    const traffic = new Traffic(options);
    onTestFinished(() => traffic.close());
    await traffic.open();
    return traffic;
  }

  async open(): Promise<void> {
    const { options, sender = {}, call = {}, sending = { window: 20, pauseMs: 10 } } = this.#options;
    this.#receiver = await this.#startReceiver();
    const root = PostageModule.forRoot({ ...options, ...sender, observer: this.senderEvents.observe });
    @Module({ imports: [PostageModule.forFeature([Numbers]), root] })
    class SenderModule {}
    this.#sender = await NestFactory.createApplicationContext(SenderModule, { logger: false });
    const producer = this.to(this.queue, call);
    this.#numbers = new NumberedSender((number) => producer.command('number', number), sending);
    await this.handlesMore();
  }

  #startReceiver(): Promise<INestMicroservice> {
    const { options, receiver = {}, flags = {}, controllers = [], work, onNote } = this.#options;
    const { tally, queue } = this;
    @Processor({ eqk: [[DEFAULT_EXCHANGE, [[{ name: queue, flags }, queue]]]] })
    class Receiver {
      @MessageHandler('command', 'number')
      async number(@Parameters() number: number): Promise<void> {
        await work?.(number);
        tally.note(number);
      }

      @MessageHandler('command', 'note')
      note(@Parameters() parameters: unknown): void {
        onNote?.(parameters);
      }
    }
    const observer = this.receiverEvents.observe;
    return startReceiver({ ...options, ...receiver, observer }, [Receiver, ...controllers]);
  }

  get receiver(): INestMicroservice {
    if (!this.#receiver) throw new Error('the receiver has not been started');
    return this.#receiver;
  }

  get sender(): INestApplicationContext {
    if (!this.#sender) throw new Error('the sender has not been started');
    return this.#sender;
  }

  get numbers(): NumberedSender {
    if (!this.#numbers) throw new Error('no number has been sent');
    return this.#numbers;
  }

  /** A producer of the sender whose messages and calls go to this queue. */
  to(queue: string, call: CallOptions = {}): GenericProducer {
    return this.sender.get(Numbers).with({ key: queue, ...call });
  }

  /** Resolves once a number has been handled that had not been sent when this was called. */
  async handlesMore(limitMs = LIMIT_MS): Promise<void> {
    const { next } = this.numbers;
    await eventually(() => {
      if (!this.tally.reached(next))
        throw new Error(`no number from ${next} on was handled: ${this.#situation()}`);
    }, limitMs);
  }

  /** For errors. */
  #situation(): string {
    const { confirmed, failures } = this.numbers;
    const { consuming } = this.receiver.get(PostageConnection).snapshot;
    const { publishing, pendingPublishes } = this.sender.get(PostageConnection).snapshot;
    const consumers = this.receiver.get(GenericConsumer).snapshot;
    const { handled } = this.tally;
    const facts = { handled, confirmed, pendingPublishes, consuming, publishing, consumers };
    return `${JSON.stringify(facts)}, failures ${JSON.stringify([...failures])}`;
  }

  /** Resolves once everything that lives on the connections is in place again. */
  async ready(): Promise<void> {
    const [receiver, sender] = [this.receiver, this.sender].map((app) => app.get(PostageConnection));
    await eventually(() => {
      const states = [receiver?.snapshot.consuming, sender?.snapshot.publishing];
      if (states.some((state) => state?.kind !== 'ready')) throw new Error(JSON.stringify(states));
    }, LIMIT_MS);
  }

  /** Resolves once both applications, or one of them, have lost a connection since this was called: to be called before the fault. */
  losses(who: 'both' | 'receiver' = 'both'): () => Promise<void> {
    const events = who === 'both' ? [this.receiverEvents, this.senderEvents] : [this.receiverEvents];
    const lost = events.map((each) => each.of('connection.lost'));
    const before = lost.map(({ items }) => items.length);
    return async () => {
      await Promise.all(lost.map((inbox, index) => inbox.take((before[index] ?? 0) + 1, LIMIT_MS)));
    };
  }

  /**
   * Does something to them, and resolves once a message was handled that was sent after they had noticed, and everything is in
   * place; with how long that took, in milliseconds.
   * @param fault resolves with the time (`performance.now()`) from which on it was possible, where that is not its own begin
   * @param noticed made before the fault, and called after it began
   */
  async resumedAfter(
    fault: () => unknown,
    noticed: () => Promise<unknown> = this.losses(),
  ): Promise<{ readonly noticedMs: number; readonly resumeMs: number }> {
    const begunMs = performance.now();
    const possible = Promise.resolve(fault());
    // Whoever waits for the notice hears of it later.
    possible.catch(() => undefined);
    await noticed();
    const noticedMs = performance.now() - begunMs;
    const possibleMs = await possible;
    await this.handlesMore();
    await this.ready();
    const sinceMs = typeof possibleMs === 'number' ? possibleMs : begunMs;
    return { noticedMs, resumeMs: performance.now() - sinceMs };
  }

  /** Sends no more, and waits for what is on its way as long as anything comes; with how many numbers were sent and handled. */
  async totals(stallMs = LIMIT_MS): Promise<Totals> {
    const sent = await this.numbers.stop();
    await this.tally.complete(sent, stallMs).catch(() => undefined);
    const { handled, duplicated } = this.tally;
    return { sent, handled, duplicated, lost: this.tally.missing(sent).length };
  }

  /** Sends no more, waits for what is on its way, and keeps what was measured. */
  async finish(measurement: Pick<Measurement, 'fault' | 'test'> & Partial<Measurement>): Promise<Totals> {
    const totals = await this.totals();
    report({ ...totals, ...measurement });
    return totals;
  }

  async close(): Promise<void> {
    await Promise.all([this.#sender?.close(), this.#receiver?.close()]);
  }
}
