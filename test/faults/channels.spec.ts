import { defineExchange, PostageConnection } from 'nestjs-postage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Vhost } from '../support/rabbit.js';
import { faultNode } from './support/fault-node.js';
import { Numbers, startSender } from './programs/sender.js';

const node = faultNode({ config: { channel_max: 4 } });
let vhost: Vhost;

beforeAll(async () => {
  vhost = await node.vhost('channels');
});
afterAll(() => vhost.delete());

describe('a connection with few channels', () => {
  it('publishes to many exchanges all the same: they share what there is', async () => {
    const app = await startSender({ connection: { url: vhost.url } });
    const exchanges = Array.from({ length: 12 }, (_, index) =>
      defineExchange({ name: `x${index}`, type: 'fanout' }),
    );
    const numbers = app.get(Numbers);
    for (let round = 0; round < 2; round += 1) {
      const sent = exchanges.map((exchange) =>
        numbers.with({ eks: [[exchange, '']], publishTimeoutMs: 20_000 }).command('number', round),
      );
      await Promise.all(sent);
    }
    expect(app.get(PostageConnection).snapshot).toMatchObject({
      pendingPublishes: 0,
      publishing: { kind: 'ready' },
    });
    // The broker closes the channel that they share: those that come while there is none wait for the next one.
    const Missing = defineExchange({ name: 'missing', declare: 'assume' });
    const refused = numbers.with({ eks: [[Missing, '']] }).command('number', 2);
    await expect(refused).rejects.toMatchObject({ code: 'EXCHANGE_NOT_FOUND' });
    await Promise.all(
      exchanges.map((exchange) => numbers.with({ eks: [[exchange, '']] }).command('number', 3)),
    );
    await app.close();
  });
});
