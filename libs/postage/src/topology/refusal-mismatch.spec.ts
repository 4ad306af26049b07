import { describe, expect, it } from 'vitest';
import type { TopologyError } from '../errors.js';
import { defineExchange } from './exchange.js';
import { defineQueue } from './queue.js';
import type { QueueFlags } from './queue.js';
import { explainRefusal } from './refusal.js';
import type { Exchange, Queue } from './types.js';

// The texts are those of RabbitMQ 3.10.8, read off the broker.

const exchange = defineExchange({ name: 'e' });
const queue = (flags: QueueFlags = {}, name = 'q'): Queue => defineQueue({ name, flags });
const precondition = (text: string, entity: Exchange | Queue): TopologyError =>
  explainRefusal({ amqpCode: 406, text: `PRECONDITION_FAILED - ${text}`, cause: undefined }, entity);

describe('explainRefusal', () => {
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
});
