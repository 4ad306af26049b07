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
