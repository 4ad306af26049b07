import { describe, expect, it } from 'vitest';
import type { TopologyError } from '../errors.js';
import { defineExchange } from './exchange.js';
import { defineQueue } from './queue.js';
import type { QueueFlags } from './queue.js';
import { explainRefusal } from './refusal.js';
import type { Binding, Exchange, Queue } from './types.js';

// The texts are those of RabbitMQ 3.10.8, read off the broker, unless another version is named.

const exchange = defineExchange({ name: 'e' });
const binding: Binding = { exchange: 'e', queue: 'q', key: 'k', arguments: {} };
const queue = (flags: QueueFlags = {}): Queue => defineQueue({ name: 'q', flags });
const explain = (amqpCode: number, text: string, entity: Exchange | Queue | Binding): TopologyError =>
  explainRefusal({ amqpCode, text, cause: undefined }, entity);

describe('explainRefusal', () => {
  describe('of a user without the right', () => {
    const refused = (what: string): string =>
      `ACCESS_REFUSED - access to ${what} in vhost '/' refused for user 'low'`;
    const dead = queue({ deadLetterExchange: 'other' });
    const alternate = defineExchange({ name: 'e', alternateExchange: 'other' });

    it.each([
      ['a queue', refused("queue 'q'"), queue(), 'configure permission on queue "q"'],
      ['an exchange', refused("exchange 'e'"), exchange, 'configure permission on exchange "e"'],
      ['a queue that dead-letters', refused("queue 'q'"), dead, 'configure or read permission on queue "q"'],
      ['its dead-letter exchange', refused("exchange 'other'"), dead, 'write permission on exchange "other"'],
      [
        'an exchange with an alternate',
        refused("exchange 'e'"),
        alternate,
        'configure or read permission on exchange "e"',
      ],
      [
        'its alternate exchange',
        refused("exchange 'other'"),
        alternate,
        'write permission on exchange "other"',
      ],
      [
        'a dead-letter exchange named like the queue',
        refused("exchange 'q'"),
        queue({ deadLetterExchange: 'q' }),
        'write permission on exchange "q"',
      ],
      ['the queue of a binding', refused("queue 'q'"), binding, 'write permission on queue "q"'],
      ['the exchange of a binding', refused("exchange 'e'"), binding, 'read permission on exchange "e"'],
      [
        'a broker that names the right (4.x)',
        "ACCESS_REFUSED - read access to queue 'q' in vhost 'v' refused for user 'low'",
        dead,
        'the read permission on queue "q" in vhost "v"',
      ],
    ])('names the right that is missing on %s', (_what, text, entity, part) => {
      const error = explain(403, text, entity);

      expect(error.message).toContain(`user "low" lacks the`);
      expect(error.message).toContain(part);
      expect(error.remedy).toContain('rabbitmqctl set_permissions -p');
    });

    it('offers to leave the declaration to others', () => {
      expect(explain(403, refused("queue 'q'"), queue()).remedy).toContain("declare: 'assume'");
      expect(explain(403, refused("queue 'q'"), binding).remedy).not.toContain('assume');
    });

    it('passes on a text that was cut', () => {
      const error = explain(403, "ACCESS_REFUSED - access to queue 'nnn...", queue());

      expect(error.message).toContain("access to queue 'nnn...");
      expect(error.remedy).toContain('set_permissions');
    });
  });

  it.each([
    ["ACCESS_REFUSED - queue name 'amq.foo' contains reserved prefix 'amq.*'", 'reserved'],
    ["ACCESS_REFUSED - exchange name 'amq.foo' contains reserved prefix 'amq.*'", 'reserved'],
    ['ACCESS_REFUSED - operation not permitted on the default exchange', 'default exchange'],
  ])('explains what nobody may do: %s', (text, part) => {
    const error = explain(403, text, queue());

    expect(error.message).toContain(part);
    expect(error.remedy).not.toContain('permission');
  });
});
