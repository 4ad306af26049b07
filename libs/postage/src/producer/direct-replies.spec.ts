import { describe, expect, it, vi } from 'vitest';
import type { ChannelPort } from '../connection/port.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { DirectReplies } from './direct-replies.js';
import type { AddressEvents } from './reply-address.js';

/** Makes addresses on a connection of their own, and notes what their pool is told, and who listens. */
const startReplies = async () => {
  const link = await new MemoryBroker().connect({ connectionName: 'x' });
  const listeners: Parameters<ChannelPort['consume']>[1][] = [];
  const open = link.openChannel.bind(link);
  vi.spyOn(link, 'openChannel').mockImplementation(async () => {
    const channel = await open();
    const consume = channel.consume.bind(channel);
    vi.spyOn(channel, 'consume').mockImplementation((queue, onDelivery, options) => {
      listeners.push(onDelivery);
      return consume(queue, onDelivery, options);
    });
    return channel;
  });
  const gone: unknown[] = [];
  const events: AddressEvents = {
    onDelivery: () => undefined,
    onGone: ({ name }, error) => gone.push([name, error]),
    onBroken: () => undefined,
    release: () => undefined,
  };
  const replies = new DirectReplies();
  await replies.restore(link, events);
  return { replies, gone, listeners, link };
};

describe('DirectReplies', () => {
  it('closes the channel of an address that the broker has ended, and tells of it once', async () => {
    const { replies, gone, listeners, link } = await startReplies();
    const address = await replies.make();
    expect([address.channel.isOpen, address.name]).toEqual([
      true,
      expect.stringMatching(/^amq\.rabbitmq\.reply-to\./),
    ]);
    listeners[0]?.(null);
    await vi.waitUntil(() => !address.channel.isOpen);
    expect(gone).toEqual([[address.name, expect.objectContaining({ code: 'CONNECTION_LOST' })]]);
    expect(await replies.renew(address)).toBe(false);
    await link.close();
  });

  it('keeps the channel of an address that is renewed, under another name', async () => {
    const { replies, gone, link } = await startReplies();
    const address = await replies.make();
    const { name } = address;
    expect(await replies.renew(address)).toBe(true);
    expect([address.channel.isOpen, address.name === name, gone]).toEqual([true, false, []]);
    await link.close();
  });
});
