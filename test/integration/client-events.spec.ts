import type { ConsumeMessage } from 'amqplib';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { uniqueName } from '../support/rabbit.js';
import { bodyOf, clientsOf } from './clients.js';
import { useWorld } from './world.js';

const world = useWorld();
const { withClient, overheard } = clientsOf(world);

describe('`emit` of a client', () => {
  it('sends at once, whether or not anybody subscribes, and only once', async () => {
    const { eks, inbox } = await overheard();
    const { client } = await withClient({ eks });

    client.emit('unobserved', 1);
    const observed = client.emit('observed', 2);
    await lastValueFrom(observed, { defaultValue: undefined });
    await lastValueFrom(observed, { defaultValue: undefined });
    await lastValueFrom(client.emit('mark', 3), { defaultValue: undefined });

    expect((await inbox.take(3)).map(bodyOf)).toMatchObject([
      { name: 'unobserved', category: 'message', content: { parameters: 1 } },
      { name: 'observed', content: { parameters: 2 } },
      { name: 'mark', content: { parameters: 3 } },
    ]);
  });

  it('sends a status or a command without data as the format has them', async () => {
    const { eks, inbox } = await overheard();
    const { client } = await withClient({ eks, fingerprint: { name: 'office' } });

    client.emit({ type: 'status', name: 'online' }, undefined);
    client.emit('go', undefined);
    client.emit('go', null);
    client.emit({ type: 'status', name: 'load' }, { cpu: 3 });
    client.emit({ type: 'metric', name: 'disk' }, 7);

    expect((await inbox.take(5)).map(bodyOf)).toMatchObject([
      { type: 'status', name: 'online', content: {}, fingerprint: { name: 'office' } },
      { type: 'command', name: 'go', content: { parameters: {} } },
      { type: 'command', name: 'go', content: { parameters: null } },
      { type: 'status', name: 'load', content: { cpu: 3 } },
      { type: 'metric', name: 'disk', content: { value: 7 } },
    ]);
    expect(bodyOf(inbox.items[0] as ConsumeMessage).content).toEqual({});
    expect(inbox.items.every(({ properties }) => properties.replyTo === undefined)).toBe(true);
  });

  it('that can not be sent errors where somebody looks, and harms nobody where not', async () => {
    const { client } = await withClient({
      eks: [[world.exchangeOf(uniqueName('x')), 'rk']],
      connection: { host: '127.0.0.1', port: 1 },
    });

    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;

    client.emit('unobserved', cycle);
    const observed = lastValueFrom(client.emit('observed', cycle), { defaultValue: undefined });

    await expect(observed).rejects.toMatchObject({ code: 'ENCODING_FAILED' });
  });
});
