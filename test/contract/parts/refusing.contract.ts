import { describe, expect } from 'vitest';
import type { ChannelPort } from '../../../libs/postage/src/connection/port.js';
import type { AmqpTable, Binding } from '../../../libs/postage/src/topology/types.js';
import { anExchange, aQueue, contractTest } from '../bench.js';
import { publish } from '../messages.js';
import { expectRefusal } from '../refusals.js';
import type { Subject } from '../subject.js';

const NOWHERE = 'there is no such thing';
const NO_QUEUE = `NOT_FOUND - no queue '${NOWHERE}' in vhost '/'`;
const NO_EXCHANGE = `NOT_FOUND - no exchange '${NOWHERE}' in vhost '/'`;
const DEFAULT_EXCHANGE = 'ACCESS_REFUSED - operation not permitted on the default exchange';

const binding = (exchange: string, queue: string, table: AmqpTable = {}): Binding => ({
  exchange,
  queue,
  key: 'k',
  arguments: table,
});

interface Refusal {
  readonly what: string;
  /** `queue` is one that exists. */
  readonly ask: (channel: ChannelPort, queue: string) => Promise<unknown>;
  readonly code: number;
  readonly text: string;
}

const NOT_FOUND: readonly Refusal[] = [
  { what: 'a look at an unknown queue', ask: (c) => c.checkQueue(NOWHERE), code: 404, text: NO_QUEUE },
  {
    what: 'a look at an unknown exchange',
    ask: (c) => c.checkExchange(NOWHERE),
    code: 404,
    text: NO_EXCHANGE,
  },
  {
    what: 'a consumer of an unknown queue',
    ask: (c) => c.consume(NOWHERE, () => undefined),
    code: 404,
    text: NO_QUEUE,
  },
  {
    what: 'a binding of an unknown queue',
    ask: (c) => c.bindQueue(binding('amq.direct', NOWHERE)),
    code: 404,
    text: NO_QUEUE,
  },
  {
    what: 'a binding to an unknown exchange',
    ask: (c, queue) => c.bindQueue(binding(NOWHERE, queue)),
    code: 404,
    text: NO_EXCHANGE,
  },
];

const FORBIDDEN: readonly Refusal[] = [
  {
    what: 'a binding to the default exchange',
    ask: (c, queue) => c.bindQueue(binding('', queue)),
    code: 403,
    text: DEFAULT_EXCHANGE,
  },
  {
    what: 'unbinding from the default exchange',
    ask: (c, queue) => c.unbindQueue(binding('', queue)),
    code: 403,
    text: DEFAULT_EXCHANGE,
  },
  {
    what: 'declaring the default exchange',
    ask: (c) => c.assertExchange(anExchange('direct', { name: '' })),
    code: 403,
    text: DEFAULT_EXCHANGE,
  },
  {
    what: 'a look at the default exchange',
    ask: (c) => c.checkExchange(''),
    code: 403,
    text: DEFAULT_EXCHANGE,
  },
  {
    what: 'deleting the default exchange',
    ask: (c) => c.deleteExchange(''),
    code: 403,
    text: DEFAULT_EXCHANGE,
  },
  {
    what: 'deleting a predeclared exchange',
    ask: (c) => c.deleteExchange('amq.topic'),
    code: 403,
    text: "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed",
  },
  {
    what: 'a reserved queue name',
    ask: (c) => c.assertQueue(aQueue({ name: 'amq.mine' })),
    code: 403,
    text: "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
  },
  {
    what: 'a reserved exchange name',
    ask: (c) => c.assertExchange(anExchange('direct', { name: 'amq.mine' })),
    code: 403,
    text: "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
  },
  {
    what: 'an unknown way to match headers',
    ask: (c, queue) => c.bindQueue(binding('amq.headers', queue, { 'x-match': 'some' })),
    code: 406,
    text: 'PRECONDITION_FAILED - Invalid x-match field value <<"some">>; expected all, any, all-with-x, or any-with-x',
  },
];

const LOCKED: readonly (readonly [what: string, ask: Refusal['ask']])[] = [
  ['declare it', (channel, name) => channel.assertQueue(aQueue({ name, exclusive: true }))],
  ['look at it', (channel, name) => channel.checkQueue(name)],
  ['consume it', (channel, name) => channel.consume(name, () => undefined)],
  ['bind it', (channel, name) => channel.bindQueue(binding('amq.direct', name))],
  ['delete it', (channel, name) => channel.deleteQueue(name)],
];

const locked = (name: string): string =>
  `RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '${name}' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.`;

export const refusingContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('the broker refuses', () => {
    for (const { what, ask, code, text } of [...NOT_FOUND, ...FORBIDDEN]) {
      it(what, async ({ bench }) => {
        const queue = await bench.queue();
        await expectRefusal(await bench.channel(), (channel) => ask(channel, queue), [code, text]);
      });
    }
  });

  describe('an exclusive queue', () => {
    for (const [what, ask] of LOCKED) {
      it(`is locked: another link can not ${what}`, async ({ bench }) => {
        const name = await bench.queue({ exclusive: true });
        const other = await (await bench.link()).openChannel();
        await expectRefusal(other, (channel) => ask(channel, name), [405, locked(name)]);
      });
    }

    it('is locked even for its own link when that declares it as not exclusive', async ({ bench }) => {
      const name = await bench.queue({ exclusive: true });
      const declare = (channel: ChannelPort) => channel.assertQueue(aQueue({ name }));
      await expectRefusal(await bench.channel(), declare, [405, locked(name)]);
    });

    it('is open to all channels of its link, and to the messages of everybody', async ({ bench }) => {
      const name = await bench.queue({ exclusive: true });
      const other = await (await bench.link()).openChannel();
      await publish(other, { routingKey: name });
      expect(await (await bench.channel()).checkQueue(name)).toMatchObject({ messageCount: 1 });
    });
  });
};
