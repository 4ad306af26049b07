import { describe, expect, it } from 'vitest';
import type { OutgoingMessage } from './port.js';
import { Publication } from './publication.js';
import { Returnable } from './returnable.js';

const OWNER = { maxWaitingMs: 1_000, onSettled: () => undefined, whyWaiting: () => undefined };

const publication = (routingKey: string, messageId?: string, attempt?: number): Publication => {
  const headers = attempt === undefined ? undefined : { 'postage-attempt': attempt };
  const properties = { messageId, headers };
  const message: OutgoingMessage = {
    exchange: 'x',
    routingKey,
    content: Buffer.from(''),
    properties,
    mandatory: true,
  };
  const topology = { exchanges: [], queues: [], bindings: [] };
  const made = new Publication({ message, topology, deadlineMs: 1_000 }, OWNER);
  made.succeed();
  return made;
};

const open = (...sent: readonly Publication[]): Returnable => {
  const returnable = new Returnable();
  for (const each of sent) returnable.add(each);
  return returnable;
};

describe('Returnable', () => {
  it('finds what has come back by its id, attempt, exchange and key', () => {
    const [other, second, first] = [
      publication('b', 'm'),
      publication('a', 'm', 2),
      publication('a', 'm', 1),
    ];
    const returnable = open(other, second, first);
    expect(returnable.take(first.request.message)).toBe(first);
    expect(returnable.take(other.request.message)).toBe(other);
    expect(returnable.take({ ...second.request.message, exchange: 'y' })).toBeUndefined();
    expect(returnable.take(second.request.message)).toBe(second);
  });

  it('takes the first of those that are alike, with an id or without', () => {
    const alike = [publication('a'), publication('a'), publication('a')];
    const returnable = open(...alike);
    const [first, confirmed, last] = alike;
    if (confirmed) returnable.delete(confirmed);
    const message = { exchange: 'x', routingKey: 'a', properties: {} };
    expect([returnable.take(message), returnable.take(message), returnable.take(message)]).toEqual([
      first,
      last,
      undefined,
    ]);
  });

  it('knows nothing of what is confirmed, or of a channel that is gone', () => {
    const [one, two] = [publication('a', 'm'), publication('b', 'n')];
    const returnable = open(one, two);
    returnable.delete(one);
    expect(returnable.take(one.request.message)).toBeUndefined();
    returnable.clear();
    expect(returnable.take(two.request.message)).toBeUndefined();
  });
});
