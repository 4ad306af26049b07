import { describe, expect, it } from 'vitest';
import { Deadlines } from './deadlines.js';
import type { OutgoingMessage } from './port.js';
import { Publication } from './publication.js';
import { findReturned } from './returnable.js';

const OWNER = {
  deadlines: new Deadlines(),
  maxWaitingMs: 1_000,
  onSettled: () => undefined,
  whyWaiting: () => undefined,
};

const publication = (
  routingKey: string,
  messageId?: string,
  attempt?: number,
  mandatory = true,
): Publication => {
  const headers = attempt === undefined ? undefined : { 'postage-attempt': attempt };
  const properties = { messageId, headers };
  const message: OutgoingMessage = {
    exchange: 'x',
    routingKey,
    content: Buffer.from(''),
    properties,
    mandatory,
  };
  const topology = { exchanges: [], queues: [], bindings: [] };
  const made = new Publication({ message, topology, deadlineMs: 1_000 }, OWNER);
  made.succeed();
  return made;
};

/** What comes back now, and is looked for no more. */
const comesBack = (
  sent: Publication[],
  message: Pick<OutgoingMessage, 'routingKey' | 'properties'>,
): Publication | undefined => {
  const found = findReturned(sent, message);
  if (found) sent.splice(sent.indexOf(found), 1);
  return found;
};

describe('findReturned', () => {
  it('finds what has come back by its id, attempt and key, settled or not', () => {
    const [other, second, first] = [
      publication('b', 'm'),
      publication('a', 'm', 2),
      publication('a', 'm', 1),
    ];
    const sent = [other, second, first];
    expect(comesBack(sent, first.request.message)).toBe(first);
    expect(comesBack(sent, other.request.message)).toBe(other);
    expect(comesBack(sent, { ...second.request.message, routingKey: 'c' })).toBeUndefined();
    expect(comesBack(sent, second.request.message)).toBe(second);
  });

  it('takes the first of those that are alike and are not confirmed, with an id or without', () => {
    const [first, confirmed, last] = [publication('a'), publication('a'), publication('a')];
    const message = { routingKey: 'a', properties: {} };
    expect(comesBack([first, confirmed, last], message)).toBe(first);
    const sent = [last];
    expect([comesBack(sent, message), comesBack(sent, message)]).toEqual([last, undefined]);
  });

  it('takes an empty id for none, as some peers write it', () => {
    const sent = publication('a', '');
    expect(comesBack([sent], { routingKey: 'a', properties: {} })).toBe(sent);
  });

  it('passes over what the broker would not return', () => {
    const [optional, mandatory] = [publication('a', 'm', 1, false), publication('a', 'm', 1)];
    expect(comesBack([optional, mandatory], optional.request.message)).toBe(mandatory);
  });
});
