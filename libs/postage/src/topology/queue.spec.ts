import { describe, expect, it } from 'vitest';
import { DEFAULT_EXCHANGE, defineExchange } from './exchange.js';
import { defineQueue } from './queue.js';
import type { Compatibility, QueueFlags, QueueSpec } from './queue.js';

const refusal = (option: string): unknown => expect.objectContaining({ code: 'INVALID_OPTION', option });
const withFlags = (flags: QueueFlags, compatibility?: Compatibility) =>
  defineQueue({ name: 'q', flags }, { compatibility });
const definition = (flags: unknown) => () => defineQueue({ name: 'q', flags } as QueueSpec);
const PLAIN = {
  name: 'q',
  durable: true,
  exclusive: false,
  autoDelete: false,
  arguments: {},
  declare: 'assert',
};

describe('defineQueue', () => {
  it('makes a queue by its name alone durable', () => {
    expect(defineQueue('q')).toEqual(PLAIN);
    expect(defineQueue({ name: 'q' })).toEqual(PLAIN);
    expect(withFlags({})).toEqual(PLAIN);
  });

  it('makes an exclusive queue transient, and every other durable', () => {
    expect(withFlags({ exclusive: true })).toEqual({ ...PLAIN, exclusive: true, durable: false });
    expect(withFlags({ autoDelete: true })).toEqual({ ...PLAIN, autoDelete: true });
  });

  it.each<QueueSpec>(['q', { name: 'q' }, { name: 'q', flags: { exclusive: false } }])(
    'declares %j as Python Postage does, when asked to',
    (spec) => {
      expect(defineQueue(spec, { compatibility: 'python' })).toEqual({ ...PLAIN, durable: false });
    },
  );

  it('lets given flags win over the defaults of any compatibility', () => {
    expect(withFlags({ durable: true, autoDelete: true }, 'python')).toEqual({ ...PLAIN, autoDelete: true });
    expect(withFlags({ durable: true, exclusive: true })).toEqual({ ...PLAIN, exclusive: true });
    expect(withFlags({ durable: false })).toEqual({ ...PLAIN, durable: false });
  });

  it.each(['quorum', 'stream'] as const)('makes a %s durable even where peers are Python', (type) => {
    expect(withFlags({ type }, 'python').durable).toBe(true);
    expect(withFlags({ arguments: { 'x-queue-type': type } }, 'python').durable).toBe(true);
    expect(withFlags({ type: 'classic' }, 'python').durable).toBe(false);
  });

  it('turns flags into arguments of AMQP', () => {
    const flags: QueueFlags = {
      type: 'classic',
      messageTtlMs: 1_000,
      expiresMs: 2_000,
      maxLength: 3,
      maxLengthBytes: 4,
      overflow: 'reject-publish-dlx',
      deadLetterExchange: 'dead',
      deadLetterRoutingKey: 'letters',
      maxPriority: 5,
      singleActiveConsumer: true,
      arguments: { 'x-other': 'y' },
    };

    expect(withFlags(flags).arguments).toEqual({
      'x-queue-type': 'classic',
      'x-message-ttl': 1_000,
      'x-expires': 2_000,
      'x-max-length': 3,
      'x-max-length-bytes': 4,
      'x-overflow': 'reject-publish-dlx',
      'x-dead-letter-exchange': 'dead',
      'x-dead-letter-routing-key': 'letters',
      'x-max-priority': 5,
      'x-single-active-consumer': true,
      'x-other': 'y',
    });
  });

  it('turns the flags of quorum queues and streams into arguments', () => {
    expect(withFlags({ type: 'quorum', deliveryLimit: -1 }).arguments).toEqual({
      'x-queue-type': 'quorum',
      'x-delivery-limit': -1,
    });
    expect(withFlags({ type: 'stream', maxAgeSeconds: 3_600, maxLengthBytes: 1 }).arguments).toEqual({
      'x-queue-type': 'stream',
      'x-max-age': '3600s',
      'x-max-length-bytes': 1,
    });
  });

  it('takes an exchange for its name, and the default exchange for the empty one', () => {
    const dead = defineExchange({ name: 'dead' });

    expect(withFlags({ deadLetterExchange: dead }).arguments).toEqual({ 'x-dead-letter-exchange': 'dead' });
    expect(
      withFlags({ deadLetterExchange: DEFAULT_EXCHANGE, deadLetterRoutingKey: 'dlq' }).arguments,
    ).toEqual({
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'dlq',
    });
  });

  it('takes absent flags for no flags', () => {
    const flags = { durable: undefined, type: undefined, messageTtlMs: undefined, arguments: undefined };

    expect(withFlags(flags)).toEqual(PLAIN);
    expect(defineQueue({ name: 'q', flags: undefined, declare: undefined })).toEqual(PLAIN);
  });

  it('keeps false and zero, which are values', () => {
    expect(withFlags({ singleActiveConsumer: false, messageTtlMs: 0, maxLength: 0 }).arguments).toEqual({
      'x-single-active-consumer': false,
      'x-message-ttl': 0,
      'x-max-length': 0,
    });
  });

  it('freezes the queue and its arguments at every depth', () => {
    const queue = withFlags({ messageTtlMs: 1, arguments: { a: { b: 1 } } });

    expect(Object.isFrozen(queue)).toBe(true);
    expect(Object.isFrozen(queue.arguments)).toBe(true);
    expect(Object.isFrozen(queue.arguments['a'])).toBe(true);
  });

  it('leaves a queue that it made itself as it is, whatever the compatibility', () => {
    const queue = defineQueue({ name: 'q', flags: { messageTtlMs: 5, exclusive: true }, declare: 'passive' });

    expect(defineQueue(queue)).toEqual(queue);
    expect(defineQueue(defineQueue('q'), { compatibility: 'python' })).toEqual(PLAIN);
  });

  it.each(['passive', 'assume'] as const)('keeps declare: %s', (declare) => {
    expect(defineQueue({ name: 'q', declare }).declare).toBe(declare);
    expect(defineQueue({ name: 'amq.gen-x', declare }).name).toBe('amq.gen-x');
  });

  it.each<[string, unknown, string]>([
    ['an empty name', '', 'queue'],
    ['a name of 256 bytes', 'é'.repeat(128), 'queue'],
    ['a reserved name', 'amq.mine', 'queue'],
    ['a name with a line break', 'a\rb', 'queue'],
    ['an empty name with flags', { name: '', flags: {} }, 'name'],
    ['a reserved name with flags', { name: 'amq.mine' }, 'name'],
    ['no name', { flags: {} }, 'name'],
    ['a number', 5, 'queue'],
    ['nothing', undefined, 'queue'],
    ['a list', ['q', 'key'], 'queue'],
    ['flags that are no object', { name: 'q', flags: [] }, 'flags'],
    ['an unknown mode', { name: 'q', declare: 'no' }, 'declare'],
    ['an unknown field', { name: 'q', colour: 'red' }, 'colour'],
  ])('refuses %s and names its place', (_what, spec, option) => {
    expect(() => defineQueue(spec as QueueSpec)).toThrow(refusal(option));
  });

  it('asks for a name', () => {
    expect(() => defineQueue('')).toThrow(/a queue needs a name/);
  });

  it.each<[unknown, string]>([
    [{ durable: 'yes' }, 'flags.durable'],
    [{ exclusive: 1 }, 'flags.exclusive'],
    [{ autoDelete: null }, 'flags.autoDelete'],
    [{ type: 'quorums' }, 'flags.type'],
    [{ messageTtlMs: -1 }, 'flags.messageTtlMs'],
    [{ messageTtlMs: 0.5 }, 'flags.messageTtlMs'],
    [{ messageTtlMs: '1000' }, 'flags.messageTtlMs'],
    [{ messageTtlMs: 315_360_000_001 }, 'flags.messageTtlMs'],
    [{ expiresMs: 0 }, 'flags.expiresMs'],
    [{ expiresMs: 315_360_000_001 }, 'flags.expiresMs'],
    [{ maxLength: -1 }, 'flags.maxLength'],
    [{ maxLengthBytes: Number.NaN }, 'flags.maxLengthBytes'],
    [{ overflow: 'drop' }, 'flags.overflow'],
    [{ deadLetterExchange: 5 }, 'flags.deadLetterExchange'],
    [{ deadLetterExchange: { name: 'dead' } }, 'flags.deadLetterExchange'],
    [{ deadLetterExchange: 'x', deadLetterRoutingKey: 5 }, 'flags.deadLetterRoutingKey'],
    [{ maxPriority: 0 }, 'flags.maxPriority'],
    [{ maxPriority: 256 }, 'flags.maxPriority'],
    [{ singleActiveConsumer: 'true' }, 'flags.singleActiveConsumer'],
    [{ type: 'quorum', deliveryLimit: -2 }, 'flags.deliveryLimit'],
    [{ type: 'stream', maxAgeSeconds: 0 }, 'flags.maxAgeSeconds'],
    [{ arguments: { a: undefined } }, 'flags.arguments["a"]'],
    [{ arguments: 'x' }, 'flags.arguments'],
  ])('refuses %j and names the flag', (flags, option) => {
    expect(definition(flags)).toThrow(refusal(option));
  });

  it.each<[unknown, string]>([
    [{ type: 'quorum', durable: false }, 'flags.durable'],
    [{ type: 'quorum', exclusive: true }, 'flags.exclusive'],
    [{ type: 'quorum', autoDelete: true }, 'flags.autoDelete'],
    [{ type: 'quorum', maxPriority: 5 }, 'flags.maxPriority'],
    [{ type: 'quorum', maxAgeSeconds: 5 }, 'flags.maxAgeSeconds'],
    [{ type: 'quorum', overflow: 'reject-publish-dlx' }, 'flags.overflow'],
    [{ type: 'stream', durable: false }, 'flags.durable'],
    [{ type: 'stream', durable: true, exclusive: true }, 'flags.exclusive'],
    [{ type: 'stream', autoDelete: true }, 'flags.autoDelete'],
    [{ type: 'stream', messageTtlMs: 5 }, 'flags.messageTtlMs'],
    [{ type: 'stream', expiresMs: 5 }, 'flags.expiresMs'],
    [{ type: 'stream', maxLength: 5 }, 'flags.maxLength'],
    [{ type: 'stream', overflow: 'drop-head' }, 'flags.overflow'],
    [{ type: 'stream', deadLetterExchange: 'x' }, 'flags.deadLetterExchange'],
    [{ type: 'stream', deadLetterRoutingKey: 'x' }, 'flags.deadLetterRoutingKey'],
    [{ type: 'stream', maxPriority: 5 }, 'flags.maxPriority'],
    [{ type: 'stream', singleActiveConsumer: true }, 'flags.singleActiveConsumer'],
    [{ type: 'stream', deliveryLimit: 5 }, 'flags.deliveryLimit'],
    [{ deliveryLimit: 5 }, 'flags.deliveryLimit'],
    [{ type: 'classic', deliveryLimit: 5 }, 'flags.deliveryLimit'],
    [{ maxAgeSeconds: 5 }, 'flags.maxAgeSeconds'],
    [{ deadLetterRoutingKey: 'x' }, 'flags.deadLetterRoutingKey'],
    [{ messageTtlMs: 5, arguments: { 'x-message-ttl': 6 } }, 'flags.messageTtlMs'],
    [{ messageTtlMs: 5, arguments: { 'x-message-ttl': '5' } }, 'flags.messageTtlMs'],
    [{ arguments: { 'x-queue-type': 'quorum' }, exclusive: true, durable: true }, 'flags.exclusive'],
    [{ arguments: { 'x-queue-type': 'stream' }, messageTtlMs: 5 }, 'flags.messageTtlMs'],
  ])('refuses %j, which contradicts itself', (flags, option) => {
    expect(definition(flags)).toThrow(refusal(option));
  });

  it.each<QueueFlags>([
    { type: 'quorum', messageTtlMs: 5, expiresMs: 5, deliveryLimit: 5, singleActiveConsumer: true },
    {
      type: 'quorum',
      overflow: 'reject-publish',
      maxLength: 5,
      deadLetterExchange: 'x',
      deadLetterRoutingKey: 'y',
    },
    { type: 'quorum', arguments: { 'x-max-priority': 5 } },
    { arguments: { 'x-queue-type': 'quorum' }, deliveryLimit: 5 },
    { arguments: { 'x-dead-letter-exchange': 'x' }, deadLetterRoutingKey: 'y' },
    { messageTtlMs: 5, arguments: { 'x-message-ttl': 5 } },
    { messageTtlMs: 315_360_000_000, expiresMs: 1, maxPriority: 255 },
    { arguments: { 'x-queue-type': 'type-of-a-plug-in' }, deliveryLimit: 5, durable: false },
  ])('accepts %j', (flags) => {
    expect(definition(flags)).not.toThrow();
  });

  it.each([
    [{ name: 'q', flags: { auto_delete: true } }, 'flags.auto_delete', 'autoDelete?'],
    [{ name: 'q', flags: { messageTtl: 5 } }, 'flags.messageTtl', 'messageTtlMs?'],
    [
      { name: 'q', flags: { dead_letter_exchange: 'x' } },
      'flags.dead_letter_exchange',
      'deadLetterExchange?',
    ],
    [
      { name: 'q', flags: { 'x-message-ttl': 5 } },
      'flags.x-message-ttl',
      'write messageTtlMs, or put it into arguments.',
    ],
    [{ name: 'q', flags: { passive: true } }, 'flags.passive', "write declare: 'passive' beside flags."],
    [{ name: 'q', durable: true }, 'durable', 'write flags: { durable: ... }.'],
    [{ name: 'q', auto_delete: true }, 'auto_delete', 'write flags: { autoDelete: ... }.'],
    [{ name: 'q', passive: true }, 'passive', "write declare: 'passive'."],
    [{ name: 'q', flag: {} }, 'flag', 'did you mean flags?'],
  ])('helps with %j', (spec, option, hint) => {
    expect(() => defineQueue(spec as QueueSpec)).toThrow(refusal(option));
    expect(() => defineQueue(spec as QueueSpec)).toThrow(hint);
  });

  it('puts the place that the caller gave in front of the field', () => {
    const context = { option: 'eqk[0][1][2][0]' };

    expect(() => defineQueue('', context)).toThrow(refusal('eqk[0][1][2][0]'));
    expect(() => defineQueue({ name: '' }, context)).toThrow(refusal('eqk[0][1][2][0].name'));
    expect(() => defineQueue({ name: 'q', flags: { expiresMs: 0 } }, context)).toThrow(
      refusal('eqk[0][1][2][0].flags.expiresMs'),
    );
  });

  it('names the fields of a queue that is given whole as they stand there', () => {
    const queue = { ...defineQueue('q'), durable: 'yes' } as unknown as QueueSpec;

    expect(() => defineQueue(queue)).toThrow(refusal('durable'));
  });

  it('refuses a compatibility that it does not know', () => {
    expect(() => defineQueue('q', { compatibility: 'pyton' as Compatibility })).toThrow(
      refusal('compatibility'),
    );
  });
});
