import {
  Address,
  ApplicationProducer,
  FleetDirectory,
  GenericApplicationExchange,
  GenericApplicationStatusExchange,
  PostageModule,
} from 'nestjs-postage';
import { describe, expect, it, onTestFinished } from 'vitest';
import { command } from '../integration/world.js';
import { startReceiver } from '../support/apps.js';
import { eventually } from '../support/eventually.js';
import { TEST_BROKERS, type Peer, type TestBroker } from '../support/test-brokers.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { Counts, DEAD, fuzzedBy, QUEUE, Seen, SINK, Sink } from './support/fuzzed.js';
import { hostileMessages, SEED } from './support/hostile.js';
import { report } from './support/measure.js';

const TEST = 'test/faults/fuzz.spec.ts';
const COUNTS = { RabbitMQ: 8_000, MemoryBroker: 34_000 } as const;
const GOOD_EVERY = 100;
const WAIT_MS = 60_000;
const unhandled = useUnhandledRejections();

/** What every object has by itself; a key more would be one that some message has put there. */
const builtIns = (): string[] =>
  [Object.prototype, Array.prototype, Function.prototype, String.prototype].flatMap((prototype) =>
    Reflect.ownKeys(prototype).map(String),
  );
const BUILT_INS = builtIns();

/** An application with a queue, an address, and an ear for statuses. */
const start = async (broker: TestBroker) => {
  const peer = await broker.peer();
  onTestFinished(() => peer.close());
  await peer.declare(SINK);
  await peer.declare(DEAD);
  const seen = new Seen();
  const counts = new Counts();
  const options = {
    connection: broker.connection,
    fingerprint: { name: 'fuzzed', pid: '7', host: 'h' },
    application: { quit: false, restart: false },
    debug: true,
    log: false,
    observer: counts.observe,
  };
  const app = await startReceiver(options, [fuzzedBy(seen)], { imports: [PostageModule.forFeature([Sink])] });
  onTestFinished(() => app.close());
  const fleet = app.get(FleetDirectory);
  await fleet.start();
  return { app, peer, seen, counts, fleet };
};

/** To the queue all of them, with a good one after each hundred; many of them also to its address, and as statuses. */
const flood = (peer: Peer, count: number): number => {
  let goods = 0;
  hostileMessages(count).forEach(({ content, properties }, index) => {
    peer.send(QUEUE, content, properties);
    if (index % 4 === 0) peer.publish(GenericApplicationExchange.name, 'fuzzed', content, properties);
    if (index % 4 === 1) peer.publish(GenericApplicationStatusExchange.name, '', content, properties);
    if (index % GOOD_EVERY > 0) return;
    peer.send(QUEUE, Buffer.from(JSON.stringify(command('good', goods))));
    goods += 1;
  });
  return goods;
};

describe.each(TEST_BROKERS)(
  'an application that anybody can write to ($broker)',
  ({ broker: kind, open }) => {
    it(`takes ${COUNTS[kind]} hostile messages: none ends it, none comes twice, and the good ones are handled`, async () => {
      const broker = await open();
      onTestFinished(() => broker.close());
      const { app, peer, seen, counts, fleet } = await start(broker);
      const begin = performance.now();
      const goods = flood(peer, COUNTS[kind]);

      // Each one could be read, or not, and was settled.
      await eventually(() => expect(counts.read + counts.malformed).toBe(COUNTS[kind] + goods), WAIT_MS);
      await seen.good.take(goods, WAIT_MS);
      await eventually(async () => {
        // Rejected once each, and nothing else was.
        const waiting = [await peer.waitingIn(QUEUE), await peer.waitingIn(DEAD)];
        expect(waiting).toEqual([0, counts.malformed + counts.failed]);
      }, WAIT_MS);

      expect(seen.good.items).toHaveLength(goods);
      expect([seen.redelivered, counts.redelivered, ...seen.surprises]).toEqual([0, 0]);
      expect(builtIns()).toEqual(BUILT_INS);
      expect(unhandled).toEqual([]);
      expect(counts.troubles).toEqual([]);
      // It lives, and can be addressed.
      const self = app.get(ApplicationProducer).at(Address.name('fuzzed'));
      expect((await self.rpcPing()).unwrap()).toMatchObject({ name: 'fuzzed', pid: '7' });
      for (const { id, fingerprint } of fleet.members)
        expect([typeof id, typeof fingerprint.pid]).toEqual(['string', 'string']);

      const { read, malformed, failed, unhandled: nobodys } = counts;
      // Otherwise it has not tested what it should.
      expect(Math.min(read, malformed, failed, nobodys, seen.handled)).toBeGreaterThan(COUNTS[kind] / 100);
      const tookMs = performance.now() - begin;
      report({
        fault: `hostile messages (${kind})`,
        test: TEST,
        sent: COUNTS[kind],
        read,
        malformed,
        failed,
        seed: SEED,
        tookMs,
      });
    });
  },
);
