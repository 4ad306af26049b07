import { describe, expect, it } from 'vitest';
import { CALL_HEADERS } from './call-headers.js';
import { Causation, causationHeaders, causedBy } from './causation.js';
import type { MessageProperties } from './port.js';

const causeWith = (
  ids: { readonly correlationId?: unknown; readonly causationId?: unknown },
  properties: MessageProperties = {},
): Causation =>
  new Causation({
    ...properties,
    headers: {
      [CALL_HEADERS.correlationId]: ids.correlationId,
      [CALL_HEADERS.causationId]: ids.causationId,
    },
  });

describe('Causation', () => {
  it('tells what came in the headers', () => {
    const cause = causeWith({ correlationId: 'origin', causationId: 'parent' }, { messageId: 'own' });
    expect([cause.correlationId, cause.causationId, cause.messageId]).toEqual(['origin', 'parent', 'own']);
  });

  it('begins with the id of the message itself, where nothing came before it', () => {
    const cause = new Causation({ messageId: 'own', correlationId: 'for the reply' });
    expect([cause.correlationId, cause.causationId]).toEqual(['own', undefined]);
  });

  it('begins with an id of its own where the message has none, and keeps to it', () => {
    const cause = new Causation({});
    const { correlationId } = cause;
    expect(correlationId).toMatch(/^[0-9a-f-]{36}$/);
    expect([cause.correlationId, cause.messageId]).toEqual([correlationId, undefined]);
    expect(new Causation({}).correlationId).not.toBe(correlationId);
  });

  it.each([5, '', null, { id: 'x' }, Buffer.from('x'), undefined])(
    'takes the header %o for none, since peers can write anything',
    (value) => {
      const cause = causeWith({ correlationId: value, causationId: value }, { messageId: 'own' });
      expect([cause.correlationId, cause.causationId]).toEqual(['own', undefined]);
    },
  );

  it('takes an empty message id for none', () => {
    const cause = new Causation({ messageId: '' });
    expect(cause.messageId).toBeUndefined();
    expect(cause.correlationId).not.toBe('');
  });
});

describe('causationHeaders', () => {
  const headers = (correlationId: string, causationId?: string): Record<string, string> => ({
    'postage-correlation-id': correlationId,
    ...(causationId === undefined ? {} : { 'postage-causation-id': causationId }),
  });

  it('are none outside of handlers', () => {
    expect(causationHeaders()).toBeUndefined();
    causedBy(new Causation({ messageId: 'a' }), () => undefined);
    expect(causationHeaders()).toBeUndefined();
  });

  it('name the origin of everything and the message that is being handled', () => {
    const cause = causeWith({ correlationId: 'origin', causationId: 'parent' }, { messageId: 'own' });
    expect(causedBy(cause, causationHeaders)).toEqual(headers('origin', 'own'));
  });

  it('hold together what one message without an id has led to', () => {
    const cause = new Causation({});
    const [first, second] = causedBy(cause, () => [causationHeaders(), causationHeaders()]);
    expect(first).toStrictEqual(headers(cause.correlationId));
    expect(second).toEqual(first);
  });

  it('go along a chain of messages', () => {
    const first = new Causation({ messageId: 'a' });
    const second = new Causation({ messageId: 'b', headers: causedBy(first, causationHeaders) });
    const third = new Causation({ messageId: 'c', headers: causedBy(second, causationHeaders) });
    expect([third.correlationId, third.causationId]).toEqual(['a', 'b']);
  });

  it('belong to each handler alone, also behind what it waits for', async () => {
    const gates: (() => void)[] = [];
    const handle = (messageId: string): Promise<unknown> =>
      causedBy(new Causation({ messageId }), async () => {
        await new Promise<void>((resolve) => gates.push(resolve));
        await new Promise(setImmediate);
        return causationHeaders();
      });
    const handled = [handle('a'), handle('b')];
    for (const open of gates.toReversed()) open();
    expect(await Promise.all(handled)).toEqual([headers('a', 'a'), headers('b', 'b')]);
    expect(causationHeaders()).toBeUndefined();
  });

  it('are those of the inner message where one is handled within another', () => {
    const [outer, inner] = [new Causation({ messageId: 'a' }), new Causation({ messageId: 'b' })];
    const seen = causedBy(outer, () => [causedBy(inner, causationHeaders), causationHeaders()]);
    expect(seen).toEqual([headers('b', 'b'), headers('a', 'a')]);
  });
});

describe('causedBy', () => {
  it('hands back what the handler does: a value, a promise or an error', async () => {
    const cause = new Causation({});
    expect(causedBy(cause, () => 5)).toBe(5);
    await expect(causedBy(cause, () => Promise.resolve(6))).resolves.toBe(6);
    const fail = (): never => {
      throw new Error('failed');
    };
    expect(() => causedBy(cause, fail)).toThrow('failed');
  });
});
