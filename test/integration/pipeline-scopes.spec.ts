import { Inject, Injectable, Scope } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import type { RequestContext } from '@nestjs/microservices';
import {
  MessageHandler,
  Parameters,
  Processor,
  RpcHandler,
  Sender,
  type PostageContext,
} from 'nestjs-postage';

import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, command, resultOf, rpc, success, useWorld, sorted } from './world.js';

const world = useWorld();

/** Holds everybody back until all have come. */
class Barrier {
  readonly #waiting: (() => void)[] = [];

  constructor(readonly size: number) {}

  async pass(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === this.size) for (const go of this.#waiting) go();
    });
  }
}

@Injectable({ scope: Scope.REQUEST })
class Caller {
  constructor(@Inject(REQUEST) readonly request: RequestContext<unknown, PostageContext>) {}

  get name(): unknown {
    return this.request.context?.fingerprint['name'];
  }
}

const PARALLEL = 50;

const senders = Array.from({ length: PARALLEL }, (_, index) => `sender-${index}`);

const from = (name: string): { fingerprint: object; content: object } => ({
  fingerprint: { name },
  content: { parameters: name },
});

interface Seen {
  readonly service: Caller;
  readonly controller: object;
  readonly name: unknown;
  readonly sender: unknown;
  readonly parameters: unknown;
}

describe('a provider in request scope', () => {
  it(`is new for each of ${PARALLEL} parallel messages, and knows the sender of its own`, async () => {
    const queue = uniqueName('scoped');
    const seen = new Inbox<Seen>();
    const barrier = new Barrier(PARALLEL);
    @Processor({ eqk: byName(queue), prefetch: PARALLEL })
    class Scoped {
      constructor(readonly caller: Caller) {}

      @MessageHandler('command', 'go')
      async go(@Parameters() parameters: string, @Sender() sender: { name: string }): Promise<void> {
        await barrier.pass();
        seen.push({
          service: this.caller,
          controller: this,
          name: this.caller.name,
          sender: sender.name,
          parameters,
        });
      }
    }
    await world.receive([Scoped], { extra: { providers: [Caller] } });

    for (const name of senders) world.send(queue, { ...command('go', name), ...from(name) });

    const all = await seen.take(PARALLEL);
    expect(new Set(all.map(({ service }) => service)).size).toBe(PARALLEL);
    expect(new Set(all.map(({ controller }) => controller)).size).toBe(PARALLEL);
    expect(sorted(all.map(({ name }) => name))).toEqual(sorted(senders));
    expect(all.every(({ name, sender, parameters }) => name === sender && name === parameters)).toBe(true);
  });

  it(`answers each of ${PARALLEL} parallel rpcs for its own caller`, async () => {
    const queue = uniqueName('scoped');
    const barrier = new Barrier(PARALLEL);
    @Processor({ eqk: byName(queue), prefetch: PARALLEL })
    class Scoped {
      constructor(readonly caller: Caller) {}

      @RpcHandler('command', 'whoami')
      async whoami(): Promise<unknown> {
        await barrier.pass();
        return this.caller.name;
      }
    }
    await world.receive([Scoped], { extra: { providers: [Caller] } });

    const inboxes = await Promise.all(senders.map((name) => world.ask(queue, rpc('whoami', from(name)))));
    const replies = await Promise.all(inboxes.map((inbox) => inbox.take(1)));

    expect(replies.flat().map(resultOf)).toEqual(senders.map((name) => success(name)));
  });

  it('is new for each of several handlers of one message', async () => {
    const queue = uniqueName('scoped');
    const seen = new Inbox<Caller>();
    @Processor({ eqk: byName(queue) })
    class Scoped {
      constructor(readonly caller: Caller) {}

      @MessageHandler('command', 'go')
      one(): void {
        seen.push(this.caller);
      }

      @MessageHandler('command', 'go')
      two(): void {
        seen.push(this.caller);
      }
    }
    await world.receive([Scoped], { extra: { providers: [Caller] } });

    world.send(queue, { ...command('go', ''), ...from('me') });

    const callers = await seen.take(2);
    expect(callers.map(({ name }) => name)).toEqual(['me', 'me']);
    expect(callers[0]).not.toBe(callers[1]);
  });
});
