import { describe, expect, it } from 'vitest';
import { TopologyError } from '../errors.js';
import { defineExchange } from './exchange.js';
import { defineQueue } from './queue.js';
import type { QueueFlags } from './queue.js';
import { explainRefusal, isLockRefusal, isPermanentRefusal } from './refusal.js';
import type { Binding, Exchange, Queue } from './types.js';

// The texts are those of RabbitMQ 3.10.8, read off the broker, unless another version is named.

const exchange = defineExchange({ name: 'e' });
const binding: Binding = { exchange: 'e', queue: 'q', key: 'k', arguments: {} };
const queue = (flags: QueueFlags = {}, name = 'q'): Queue => defineQueue({ name, flags });

const explain = (amqpCode: number, text: string, entity: Exchange | Queue | Binding): TopologyError =>
  explainRefusal({ amqpCode, text, cause: 'the cause' }, entity);
const precondition = (text: string, entity: Exchange | Queue): TopologyError =>
  explain(406, `PRECONDITION_FAILED - ${text}`, entity);

describe('explainRefusal', () => {
  it('returns an error with entity, code and cause', () => {
    const error = precondition(
      "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'",
      queue(),
    );

    expect(error).toBeInstanceOf(TopologyError);
    expect(error).toMatchObject({
      code: 'TOPOLOGY_REFUSED',
      entity: 'queue "q"',
      amqpCode: 406,
      cause: 'the cause',
    });
  });

  it('names an exchange and a binding', () => {
    const text = "NOT_FOUND - no exchange 'e' in vhost '/'";

    expect(explain(404, text, exchange).entity).toBe('exchange "e"');
    expect(explain(404, text, binding).entity).toBe('binding of queue "q" to exchange "e" with key "k"');
  });

  it.each([
    ['Operation failed: QueueDeclare; 406 (PRECONDITION-FAILED) with message "', '"'],
    ['Channel closed by server: 406 (PRECONDITION-FAILED) with message "', '"'],
    ['', ''],
  ])('reads the text of the broker inside of %j', (before, after) => {
    const text =
      "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'";

    expect(explain(406, `${before}${text}${after}`, queue())).toMatchObject({
      argument: 'durable',
      wanted: 'true',
      actual: 'false',
    });
  });

  describe('of a queue that exists otherwise', () => {
    it.each([
      [
        'two values',
        "'x-message-ttl' for queue 'q' in vhost '/': received '1000' but current is '2000'",
        'x-message-ttl',
        '1000',
        '2000',
      ],
      [
        'two values with types',
        "'x-message-ttl' for queue 'q' in vhost '/': received the value '1000' of type 'signedint' but current is the value '2000' of type 'signedint'",
        'x-message-ttl',
        '1000',
        '2000',
      ],
      [
        'no value on our side',
        "'x-max-priority' for queue 'q' in vhost '/': received none but current is the value '5' of type 'byte'",
        'x-max-priority',
        'none',
        '5',
      ],
      [
        'no value on the other side',
        "'x-dead-letter-exchange' for queue 'q' in vhost '/': received the value 'x' of type 'longstr' but current is none",
        'x-dead-letter-exchange',
        'x',
        'none',
      ],
      [
        'a quote in a value',
        "'x-dead-letter-exchange' for queue 'q' in vhost '/': received 'b's' but current is 'a'",
        'x-dead-letter-exchange',
        "b's",
        'a',
      ],
      [
        'a quote in the name',
        "'durable' for queue 'it's' in vhost '/': received 'true' but current is 'false'",
        'durable',
        'true',
        'false',
      ],
      [
        'a boolean argument',
        "'x-single-active-consumer' for queue 'q' in vhost '/': received none but current is the value 'true' of type 'bool'",
        'x-single-active-consumer',
        'none',
        'true',
      ],
      [
        'the type of the queue',
        "'x-queue-type' for queue 'q' in vhost '/': received none but current is the value 'quorum' of type 'longstr'",
        'x-queue-type',
        'none',
        'quorum',
      ],
      [
        'an older broker without a space',
        "'auto_delete' for queue 'q' in vhost '/':received 'false' but current is 'true'",
        'auto_delete',
        'false',
        'true',
      ],
    ])('reads %s', (_what, text, argument, wanted, actual) => {
      expect(precondition(`inequivalent arg ${text}`, queue())).toMatchObject({ argument, wanted, actual });
    });

    it('takes our value from the definition where the broker cut its text at 255 bytes', () => {
      const name = 'n'.repeat(150);
      const text = `inequivalent arg 'x-message-ttl' for queue '${name}' in vhost '/': received the val...`;

      const error = precondition(text, queue({ messageTtlMs: 7 }, name));

      expect(error).toMatchObject({ argument: 'x-message-ttl', wanted: '7', actual: undefined });
      expect(error.message).toContain('another x-message-ttl than 7');
    });

    it('takes a property and a missing argument from the definition likewise', () => {
      const cut = (argument: string): string => `inequivalent arg '${argument}' for queue 'nnn...`;

      expect(precondition(cut('durable'), queue()).wanted).toBe('true');
      expect(precondition(cut('auto_delete'), queue({ autoDelete: true })).wanted).toBe('true');
      expect(precondition(cut('x-max-length'), queue()).wanted).toBe('none');
    });

    it('keeps a value that is whole when only its type was cut off', () => {
      const text =
        "inequivalent arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': received none but current is the value 'mailbox-dead' of ty...";

      expect(precondition(text, queue())).toMatchObject({ wanted: 'none', actual: 'mailbox-dead' });
    });

    it('offers the definition that fits, deletion and another name', () => {
      const ttl = precondition(
        "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '1' but current is '2'",
        queue(),
      );

      expect(ttl.remedy).toContain('flags: { messageTtlMs: 2 }');
      expect(ttl.remedy).toContain('rabbitmqctl delete_queue "q"');
      expect(ttl.remedy).toContain('another name');
      expect(ttl.remedy).not.toContain('compatibility');
      expect(ttl.message).toBe(`queue "q": it exists with x-message-ttl 2, not 1. ${ttl.remedy}`);
    });

    it.each([
      [
        "'x-overflow' for queue 'q' in vhost '/': received none but current is the value 'drop-head' of type 'longstr'",
        "flags: { overflow: 'drop-head' }",
      ],
      [
        "'x-overflow' for queue 'q' in vhost '/': received the value 'drop-head' of type 'longstr' but current is none",
        'without overflow',
      ],
      [
        "'x-max-age' for queue 'q' in vhost '/': received '8s' but current is '7D'",
        "flags: { arguments: { 'x-max-age': '7D' } }",
      ],
      [
        "'auto_delete' for queue 'q' in vhost '/': received 'false' but current is 'true'",
        'flags: { autoDelete: true }',
      ],
      [
        "'x-new' for queue 'q' in vhost '/': received '1' but current is '2'",
        "flags: { arguments: { 'x-new': 2 } }",
      ],
    ])('writes the definition for %s', (text, written) => {
      expect(precondition(`inequivalent arg ${text}`, queue()).remedy).toContain(written);
    });

    it.each(['durable', 'auto_delete'])('names the switch for Python peers when %s differs', (argument) => {
      const text = `inequivalent arg '${argument}' for queue 'q' in vhost '/': received 'true' but current is 'false'`;

      expect(precondition(text, queue()).remedy).toContain("compatibility: 'python'");
    });

    it('says "without" where one side has no value', () => {
      const text = "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received ";

      expect(
        precondition(`${text}none but current is the value '5' of type 'byte'`, queue()).message,
      ).toContain('it exists with x-max-length 5, not without.');
      expect(
        precondition(`${text}the value '5' of type 'byte' but current is none`, queue()).message,
      ).toContain('it exists without x-max-length, not with x-max-length 5.');
    });

    it('says that the types differ when the values read alike', () => {
      const text = "inequivalent arg 'x-expires' for queue 'q' in vhost '/': received '5' but current is '5'";

      expect(precondition(text, queue()).message).toContain('of another AMQP type');
    });
  });

  it.each([
    [
      "'type' for exchange 'e' in vhost '/': received 'topic' but current is 'direct'",
      'type',
      'topic',
      'direct',
      "(type: 'direct')",
    ],
    [
      "'durable' for exchange 'e' in vhost '/': received 'false' but current is 'true'",
      'durable',
      'false',
      'true',
      '(durable: true)',
    ],
    [
      "'auto_delete' for exchange 'e' in vhost '/': received 'true' but current is 'false'",
      'auto_delete',
      'true',
      'false',
      '(autoDelete: false)',
    ],
    [
      "'alternate-exchange' for exchange 'e' in vhost '/': received none but current is the value 'other' of type 'longstr'",
      'alternate-exchange',
      'none',
      'other',
      "(alternateExchange: 'other')",
    ],
    [
      "'x-delayed-type' for exchange 'e' in vhost '/': received 'topic' but current is 'direct'",
      'x-delayed-type',
      'topic',
      'direct',
      "(arguments: { 'x-delayed-type': 'direct' })",
    ],
  ])('explains an exchange that exists otherwise: %s', (text, argument, wanted, actual, written) => {
    const error = precondition(`inequivalent arg ${text}`, exchange);

    expect(error).toMatchObject({ argument, wanted, actual });
    expect(error.remedy).toContain(written);
    expect(error.remedy).not.toContain('compatibility');
  });

  it.each([
    [
      "invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue",
      { maxPriority: 5 },
      'x-max-priority',
      '5',
      'maxPriority',
    ],
    [
      "invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}",
      { expiresMs: 9 },
      'x-expires',
      '9',
      'value_zero',
    ],
    [
      "invalid property 'exclusive-owner' for queue 'q' in vhost '/'",
      { exclusive: true },
      'exclusive',
      'true',
      'can not be exclusive',
    ],
    [
      "invalid property 'non-durable' for queue 'q' in vhost '/'",
      { durable: false },
      'durable',
      'false',
      'can not be non-durable',
    ],
    [
      "invalid property 'auto-delete' for queue 'q' in vhost '/'",
      { autoDelete: true },
      'auto_delete',
      'true',
      'can not be auto-delete',
    ],
  ])('explains what a queue can not be: %s', (text, flags, argument, wanted, part) => {
    const error = precondition(text, queue(flags));

    expect(error).toMatchObject({ argument, wanted });
    expect(error.message).toContain(part);
  });

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

  it.each([
    ["NOT_FOUND - no queue 'it's' in vhost '/'", "there is no queue 'it's'."],
    ["NOT_FOUND - no exchange 'nope' in vhost '/'", "there is no exchange 'nope'."],
    ["NOT_FOUND - no queue 'nnn...", "there is no queue 'nnn...."],
  ])('explains what is missing: %s', (text, part) => {
    const error = explain(404, text, binding);

    expect(error.message).toContain(part);
    expect(error.remedy).toContain("declare: 'assert'");
  });

  it('tells a node that is down from a queue that is missing', () => {
    const text =
      "NOT_FOUND - home node 'rabbit@two' of durable queue 'q' in vhost '/' is down or inaccessible";

    expect(explain(404, text, queue()).message).toContain('its node is down');
  });

  it('explains a queue that belongs to another connection', () => {
    const text =
      "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.";

    const error = explain(405, text, queue({ exclusive: true }));

    expect(error.message).toContain('belongs exclusively to another connection');
    expect(error.remedy).toContain('try again');
  });

  it.each(['unknown', 'invalid'])('explains an exchange type that is %s', (word) => {
    const error = explain(503, `COMMAND_INVALID - ${word} exchange type 'x-nope'`, exchange);

    expect(error).toMatchObject({ argument: 'type', wanted: 'x-nope', amqpCode: 503 });
    expect(error.remedy).toContain('plug-in');
  });

  it('explains a transient queue that the broker does not permit (4.3)', () => {
    const text =
      'INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.\nBy default, this feature is not permitted anymore.\nT...';

    const error = explain(
      541,
      `Connection closed: 541 (INTERNAL-ERROR) with message "${text}"`,
      queue({ durable: false }),
    );

    expect(error).toMatchObject({ argument: 'durable', wanted: 'false' });
    expect(error.remedy).toContain('deprecated_features.permit.transient_nonexcl_queues = true');
    expect(error.remedy).toContain("compatibility: 'python'");
  });

  it('explains a limit that is reached', () => {
    const error = precondition(
      "cannot declare queue 'lim': queue limit in vhost '/' (1) is reached",
      queue(),
    );

    expect(error.message).toContain('(1) is reached. Delete');
  });

  it('passes on a text that it does not know', () => {
    const error = explain(530, 'NOT_ALLOWED - something new.', queue());

    expect(error).toMatchObject({ amqpCode: 530, argument: undefined, wanted: undefined, actual: undefined });
    expect(error.message).toBe('queue "q": something new. The log of the broker may tell more.');
  });
});

describe('isPermanentRefusal', () => {
  it.each([403, 404, 406, 530])('holds for %i', (code) => {
    expect(isPermanentRefusal(code)).toBe(true);
  });

  it.each([405, 320, 503, 541, undefined])('does not hold for %s by itself', (code) => {
    expect(isPermanentRefusal(code)).toBe(false);
  });

  it('holds for the refusals that close the connection, by their text', () => {
    expect(isPermanentRefusal(503, "COMMAND_INVALID - unknown exchange type 'x'")).toBe(true);
    expect(
      isPermanentRefusal(541, 'INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.'),
    ).toBe(true);
  });

  it.each([
    "NOT_FOUND - home node 'rabbit@two' of durable queue 'q' in vhost '/' is down or inaccessible",
    "NOT_FOUND - queue 'q' in vhost '/' process is stopped by supervisor",
  ])('does not hold while a node is down: %s', (text) => {
    expect(isPermanentRefusal(404, text)).toBe(false);
  });
});

describe('isLockRefusal', () => {
  it('holds for 405 alone', () => {
    expect(isLockRefusal(405)).toBe(true);
    expect([403, 404, 406, 530, undefined].some(isLockRefusal)).toBe(false);
  });
});
