import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DEFAULT_EXCHANGE,
  GenericProducer,
  MessageHandler,
  Parameters,
  PostageConnection,
  PostageModule,
  Processor,
  Producer,
} from 'nestjs-postage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Events } from '../integration/world.js';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import type { Vhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { faultNode } from './support/fault-node.js';
import { report } from './support/measure.js';

const TEST = 'test/faults/blocked.spec.ts';
const node = faultNode();
const unhandled = useUnhandledRejections();
let vhost: Vhost;

beforeAll(async () => {
  vhost = await node.vhost('blocked');
});
afterAll(() => vhost.delete());

const handled = new Inbox<unknown>();

@Processor({ eqk: [[DEFAULT_EXCHANGE, [['numbers', 'numbers']]]] })
class Receiver {
  @MessageHandler('command', 'number')
  number(@Parameters() number: number): void {
    handled.push(number);
  }
}

@Producer({ eks: [[DEFAULT_EXCHANGE, 'numbers']] })
class Numbers extends GenericProducer {}

describe('a broker with a memory alarm', () => {
  it('blocks publishers, which wait within their deadlines; consumers go on acking', async () => {
    const events = new Events();
    const options = { connection: { url: vhost.url }, log: false };
    @Module({
      imports: [
        PostageModule.forRoot({ ...options, observer: events.observe }),
        PostageModule.forFeature([Numbers]),
      ],
    })
    class Sender {}
    const sender = await NestFactory.createApplicationContext(Sender, { logger: false });
    const numbers = sender.get(Numbers);
    await using peer = await RawPeer.connect(vhost.url);
    await peer.channel.assertQueue('numbers');
    const connection = sender.get(PostageConnection);
    await numbers.command('number', 'first');
    // They wait for the consumer, which starts under the alarm.
    await Promise.all(Array.from({ length: 500 }, (_, number) => numbers.command('number', number)));

    await node.raiseMemoryAlarm();
    // The broker tells those who publish, and takes this one only when it can.
    const told = numbers.command('number', 'while blocked');
    const [{ reason } = { reason: '' }] = await events.of('connection.blocked').take(1, 30_000);
    expect(reason).not.toBe('');
    expect(connection.snapshot.publishing).toMatchObject({ kind: 'ready', blocked: { reason } });

    const failed = numbers.with({ publishTimeoutMs: 300 }).command('number', 'too late');
    await expect(failed).rejects.toMatchObject({
      code: 'NOT_CONNECTED',
      message: expect.stringContaining(reason) as unknown,
    });
    const receiver = await startReceiver(options, [Receiver]);
    await handled.take(501, 30_000);
    // Acked: they do not come back when their consumer goes.
    await receiver.close();
    expect((await peer.channel.checkQueue('numbers')).messageCount).toBe(0);

    const waiting = numbers.command('number', 'waiting');
    expect(connection.snapshot.waitingPublishes).toBe(1);
    await node.clearMemoryAlarm();
    await Promise.all([told, waiting]);
    expect(connection.snapshot).toMatchObject({ publishing: { kind: 'ready' }, pendingPublishes: 0 });
    expect(connection.snapshot.publishing).not.toHaveProperty('blocked.reason');
    await eventually(async () => expect((await peer.channel.checkQueue('numbers')).messageCount).toBe(2));
    await sender.close();
    expect(unhandled).toEqual([]);
    const facts = { sent: 503, handled: 503, duplicated: 0, lost: 0, 'not connected': 1 };
    report({ fault: 'memory alarm: the broker blocks publishers', test: TEST, ...facts });
  });
});
