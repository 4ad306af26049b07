import { Ctx } from '@nestjs/microservices';
import {
  Content,
  DEFAULT_EXCHANGE,
  GenericProducer,
  InjectProducer,
  MessageHandler,
  MessageHandlerFullBody,
  Parameters,
  PostageContext,
  Processor,
  Producer,
  RpcHandler,
  Sender,
  type MessageBody,
  type PostageEvent,
} from 'nestjs-postage';
import { Inbox } from '../../support/eventually.js';

/** Where hostile messages go. */
export const QUEUE = 'fuzz';
/** Where those go that are rejected. */
export const DEAD = 'fuzz-dead';
/** Nobody consumes it. */
export const SINK = 'fuzz-sink';

/** Data, and nothing that came in by the back door: every object is a plain one, with the prototype that it should have. */
export const surprisesIn = (value: unknown): string[] => {
  const surprises: string[] = [];
  const open = [value];
  while (open.length > 0) {
    const item = open.pop();
    if (typeof item !== 'object' || item === null || Buffer.isBuffer(item)) continue;
    const expected = Array.isArray(item) ? Array.prototype : Object.prototype;
    if (Object.getPrototypeOf(item) !== expected) surprises.push('a strange prototype');
    if (Object.hasOwn(item, '__proto__')) surprises.push('a key __proto__');
    open.push(...(Object.values(item) as unknown[]));
  }
  return surprises;
};

@Producer({ eks: [[DEFAULT_EXCHANGE, SINK]] })
export class Sink extends GenericProducer {}

/** What the handlers below have met. */
export class Seen {
  handled = 0;
  redelivered = 0;
  readonly surprises = new Set<string>();
  readonly good = new Inbox<number>();

  look(value: unknown, { headers, redelivered }: PostageContext): void {
    this.handled += 1;
    if (redelivered) this.redelivered += 1;
    for (const surprise of [...surprisesIn(value), ...surprisesIn(headers)]) this.surprises.add(surprise);
  }
}

const deadLetters = { deadLetterExchange: DEFAULT_EXCHANGE.name, deadLetterRoutingKey: DEAD };

/** What the application tells of the queue, counted: to keep tens of thousands of events would cost more than all the rest. */
export class Counts {
  read = 0;
  malformed = 0;
  failed = 0;
  unhandled = 0;
  redelivered = 0;
  /** Of what must not happen. */
  readonly troubles: PostageEvent[] = [];

  readonly observe = (event: PostageEvent): void => {
    if (event.kind === 'internal.failure' || event.kind === 'connection.lost') this.troubles.push(event);
    if (!('at' in event) || event.at.queue !== QUEUE) return;
    if (event.at.redelivered) this.redelivered += 1;
    if (event.kind === 'message.received') this.read += 1;
    if (event.kind === 'message.malformed') this.malformed += 1;
    if (event.kind === 'message.unhandled') this.unhandled += 1;
    if (event.kind === 'handler.failed' && event.message.category === 'message') this.failed += 1;
  };
}

/** A class with handlers of every kind, which read whatever there is to be read. */
export const fuzzedBy = (seen: Seen): new (sink: Sink) => object => {
  @Processor({ eqk: [[DEFAULT_EXCHANGE, [[{ name: QUEUE, flags: deadLetters }, QUEUE]]]] })
  class Fuzzed {
    constructor(@InjectProducer(Sink) private readonly sink: Sink) {}

    @MessageHandler('command', 'note')
    note(@Parameters() parameters: unknown, @Ctx() context: PostageContext): void {
      seen.look(parameters, context);
    }

    @MessageHandler('command', 'good')
    good(@Parameters() number: number): void {
      seen.good.push(number);
    }

    @MessageHandlerFullBody('command', 'relay')
    async relay(body: MessageBody, @Ctx() context: PostageContext): Promise<void> {
      seen.look(body, context);
      // What the message says of itself goes along in headers, too.
      await this.sink.command('relayed', [context.correlationId, context.causationId]);
    }

    @MessageHandler('command', 'fail')
    fail(@Content() content: unknown, @Ctx() context: PostageContext): void {
      seen.look(content, context);
      throw new Error('as it always does');
    }

    @RpcHandler('command', 'echo')
    echo(
      @Parameters() parameters: unknown,
      @Sender() sender: unknown,
      @Ctx() context: PostageContext,
    ): unknown {
      seen.look([parameters, sender], context);
      return [parameters, context.remainingMs, context.signal.aborted];
    }
  }
  return Fuzzed;
};
