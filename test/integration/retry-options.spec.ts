import { EventPattern, MessagePattern } from '@nestjs/microservices';
import {
  GenericConsumer,
  InvalidOptionError,
  MessageHandler,
  PostageServer,
  Processor,
  Retry,
  RetryLater,
  RpcHandler,
  type Eqk,
  type ProcessorOptions,
  type RetryPolicy,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { uniqueName } from '../support/rabbit.js';
import { QUICK, retryQueue } from './retry-world.js';
import { byName, useWorld } from './world.js';

const world = useWorld();

/** Compile-time types are no help to whoever writes JavaScript, or reads options from a file. */
const wrong = (value: unknown): RetryPolicy => value as RetryPolicy;

const refusal = (option: string, text: RegExp) =>
  expect.objectContaining({ code: 'INVALID_OPTION', option, message: expect.stringMatching(text) }) as Error;

describe('a policy that is wrong', () => {
  it('is refused where the handler is written', () => {
    expect(() => Retry(wrong({ attempts: 0 }))).toThrow(refusal('@Retry.attempts', /at least 1/));
    expect(() => Retry(wrong(true))).toThrow(refusal('@Retry', /must be false, or an object/));
  });

  it('is refused where the processor is written', () => {
    const define = (options: object) => () => {
      @Processor(options)
      class Wrong {}
      return Wrong;
    };
    expect(define({ retry: { backoffMs: [] } })).toThrow(
      refusal('@Processor Wrong: retry.backoffMs', /at least one wait/),
    );
    expect(define({ retry: 3 })).toThrow(refusal('@Processor Wrong: retry', /must be false, or an object/));
    expect(define({ deadLetter: 7 })).toThrow(InvalidOptionError);
    expect(define({ deadLetter: '' })).toThrow(refusal('@Processor Wrong: deadLetter', /needs a name/));
    expect(define({ retries: 3 })).toThrow(/Known: eqk, prefetch, retry, deadLetter, connection/);
  });

  it('is refused where the application is configured', () => {
    expect(() => new PostageServer({ retry: wrong({ jitter: 20 }) })).toThrow(
      refusal('retry.jitter', /from 0 to 1/),
    );
    expect(() => new PostageServer({ deadLetter: '' })).toThrow(refusal('deadLetter', /needs a name/));
  });

  it('is refused where a handler asks for a wait', () => {
    expect(() => new RetryLater({ delayMs: -1 })).toThrow(refusal('RetryLater: delayMs', /from 0/));
    expect(() => new RetryLater({ delayMs: 0.5 })).toThrow(InvalidOptionError);
    expect(new RetryLater()).toMatchObject({ code: 'RETRY_LATER', delayMs: undefined });
  });
});

describe('a policy for rpcs', () => {
  it('is refused, in whichever order the decorators stand', () => {
    const above = () => {
      class Above {
        @Retry(QUICK)
        @RpcHandler('command', 'ask')
        ask(): void {}
      }
      return Above;
    };
    const below = () => {
      class Below {
        @RpcHandler('command', 'ask')
        @Retry(false)
        ask(): void {}
      }
      return Below;
    };
    const stock = () => {
      class Stock {
        @Retry(QUICK)
        @MessagePattern('ask')
        ask(): void {}
      }
      return Stock;
    };
    for (const define of [above, below, stock])
      expect(define).toThrow(refusal('@Retry', /can not stand on a handler of rpcs/));
  });

  it("is refused at the start where one of Nest's own decorators stands above it", async () => {
    class Stock {
      @MessagePattern('ask')
      @Retry(QUICK)
      ask(): void {}

      @EventPattern({ type: 'command', name: 'store' })
      @Retry(QUICK)
      store(): void {}
    }
    Processor()(Stock);
    await expect(world.receive([Stock], { options: { eqk: byName(uniqueName('stock')) } })).rejects.toThrow(
      refusal('@Retry', /stands on the handler of pattern "ask"/),
    );
  });
});

const processorOn = (eqk: Eqk, options: ProcessorOptions) => {
  @Processor({ eqk, ...options })
  class Consumer {
    @MessageHandler('command', 'store')
    store(): void {}
  }
  return Consumer;
};

describe('dead letters', () => {
  it('of one queue go to one place', async () => {
    const { queue, eqk } = retryQueue();
    const consumers = ['one', 'two'].map((deadLetter) => processorOn(eqk, { deadLetter }));

    await expect(world.receive(consumers)).rejects.toThrow(
      refusal('deadLetter', new RegExp(`share queue "${queue}"`)),
    );
  });

  it('of several queues may go to one, which is then the same for all of them', async () => {
    const failed = uniqueName('failed');
    const classic = processorOn(retryQueue().eqk, { deadLetter: failed });
    const quorum = processorOn(retryQueue({ type: 'quorum' }).eqk, { deadLetter: failed });

    await expect(world.receive([classic, quorum])).rejects.toThrow(
      refusal(`queue "${failed}"`, /is defined twice.*x-queue-type.*Give it one definition/),
    );
    const defined = { name: failed, flags: { type: 'quorum' as const, messageTtlMs: 60_000 } };
    const both = [retryQueue().eqk, retryQueue({ type: 'quorum' }).eqk].map((eqk) =>
      processorOn(eqk, { deadLetter: defined }),
    );
    const { app } = await world.receive(both);
    const made = (await world.vhost.queues()).find(({ name }) => name === failed);
    expect(made?.arguments).toEqual({ 'x-queue-type': 'quorum', 'x-message-ttl': 60_000 });
    expect(app.get(GenericConsumer).snapshot).toHaveLength(2);
  });

  it('never go back into the queue that they came from', async () => {
    const { queue, eqk } = retryQueue();

    await expect(world.receive([processorOn(eqk, { deadLetter: queue })])).rejects.toThrow(
      refusal('deadLetter', /is the queue itself/),
    );
  });
});

describe('a stream', () => {
  it('can not be retried, and says so at the start', async () => {
    const { queue, eqk } = retryQueue({ type: 'stream' });

    await expect(world.receive([processorOn(eqk, { retry: QUICK })])).rejects.toThrow(
      refusal('retry', new RegExp(`queue "${queue}" is a stream`)),
    );
    await world.receive([processorOn(eqk, { retry: false })], { options: { retry: QUICK } });
  });
});
