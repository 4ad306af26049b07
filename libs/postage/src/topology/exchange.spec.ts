import { describe, expect, it } from 'vitest';
import { InvalidOptionError } from '../errors.js';
import { DEFAULT_EXCHANGE, defineExchange } from './exchange.js';
import type { ExchangeDefinition } from './exchange.js';

const refusal = (option: string): unknown => expect.objectContaining({ code: 'INVALID_OPTION', option });
const define = (fields: Readonly<Record<string, unknown>>) => () => defineExchange({ name: 'e', ...fields });

describe('defineExchange', () => {
  it('fills in the defaults', () => {
    expect(defineExchange({ name: 'echo-exchange' })).toEqual({
      name: 'echo-exchange',
      type: 'direct',
      durable: true,
      autoDelete: false,
      internal: false,
      arguments: {},
      declare: 'assert',
    });
  });

  it('keeps what is given', () => {
    const args = { 'x-delayed-type': 'direct' };
    const given = {
      name: 'e',
      type: 'x-delayed-message',
      durable: false,
      autoDelete: true,
      internal: true,
    } as const;

    expect(defineExchange({ ...given, declare: 'assume', arguments: args })).toEqual({
      ...given,
      declare: 'assume',
      arguments: args,
    });
  });

  it('takes the five attributes of Python Postage as they stand there', () => {
    const exchange = defineExchange({
      name: 'echo-exchange',
      type: 'direct',
      durable: true,
      autoDelete: false,
      passive: false,
    });

    expect(exchange).toEqual(defineExchange({ name: 'echo-exchange' }));
  });

  it('takes an absent value for no value', () => {
    const nothing = {
      type: undefined,
      durable: undefined,
      autoDelete: undefined,
      internal: undefined,
      passive: undefined,
      declare: undefined,
      alternateExchange: undefined,
      arguments: undefined,
    };

    expect(defineExchange({ name: 'e', ...nothing })).toEqual(defineExchange({ name: 'e' }));
  });

  it('freezes the exchange and its arguments at every depth', () => {
    const exchange = defineExchange({ name: 'e', arguments: { a: { b: 1 } }, alternateExchange: 'other' });

    expect(Object.isFrozen(exchange)).toBe(true);
    expect(Object.isFrozen(exchange.arguments)).toBe(true);
    expect(Object.isFrozen(exchange.arguments['a'])).toBe(true);
  });

  it('turns passive: true into declare: passive', () => {
    expect(defineExchange({ name: 'e', passive: true }).declare).toBe('passive');
    expect(defineExchange({ name: 'e', passive: true, declare: 'passive' }).declare).toBe('passive');
    expect(defineExchange({ name: 'e', passive: false }).declare).toBe('assert');
    expect(defineExchange({ name: 'e', passive: false, declare: 'assume' }).declare).toBe('assume');
  });

  it.each([
    { passive: true, declare: 'assert' },
    { passive: true, declare: 'assume' },
    { passive: false, declare: 'passive' },
  ])('refuses $passive for passive beside $declare for declare', (fields) => {
    expect(define(fields)).toThrow(refusal('passive'));
  });

  it('passes the alternate exchange as an argument, beside the others', () => {
    const { arguments: args } = defineExchange({
      name: 'e',
      alternateExchange: 'other',
      arguments: { 'x-a': 1 },
    });

    expect(args).toEqual({ 'x-a': 1, 'alternate-exchange': 'other' });
  });

  it('accepts an alternate exchange that is given twice alike, and refuses one that is not', () => {
    const args = { 'alternate-exchange': 'one' };

    expect(defineExchange({ name: 'e', alternateExchange: 'one', arguments: args }).arguments).toEqual(args);
    expect(define({ alternateExchange: 'two', arguments: args })).toThrow(refusal('alternateExchange'));
  });

  it.each([
    ['no name', { name: undefined }, 'name'],
    ['a name that is no string', { name: 1 }, 'name'],
    ['a name with a line break', { name: 'a\nb' }, 'name'],
    ['a name of 256 bytes', { name: 'é'.repeat(128) }, 'name'],
    ['a type that is unknown', { type: 'fan-out' }, 'type'],
    ['a type that is no string', { type: 1 }, 'type'],
    ['a type that is no more than the prefix', { type: 'x-' }, 'type'],
    ['durable as a string', { durable: 'true' }, 'durable'],
    ['autoDelete as a number', { autoDelete: 1 }, 'autoDelete'],
    ['internal as null', { internal: null }, 'internal'],
    ['passive as a string', { passive: 'no' }, 'passive'],
    ['an unknown mode', { declare: 'none' }, 'declare'],
    ['an alternate exchange that is no string', { alternateExchange: {} }, 'alternateExchange'],
    ['arguments that AMQP can not carry', { arguments: { a: new Date(0) } }, 'arguments["a"]'],
    ['arguments that are no table', { arguments: null }, 'arguments'],
    ['an unknown field', { colour: 'red' }, 'colour'],
  ])('refuses %s and names the field', (_what, fields, option) => {
    expect(define(fields)).toThrow(refusal(option));
  });

  it('accepts a name of 255 bytes', () => {
    const name = `${'é'.repeat(127)}e`;

    expect(defineExchange({ name }).name).toBe(name);
  });

  it('refuses the default exchange and names the constant for it', () => {
    expect(define({ name: '' })).toThrow(/^name: .*DEFAULT_EXCHANGE/);
  });

  it('refuses names that RabbitMQ reserves, unless somebody else declared them', () => {
    expect(define({ name: 'amq.topic' })).toThrow(refusal('name'));
    expect(defineExchange({ name: 'amq.topic', type: 'topic', declare: 'passive' }).declare).toBe('passive');
    expect(defineExchange({ name: 'amq.topic', type: 'topic', passive: true }).declare).toBe('passive');
    expect(defineExchange({ name: 'amq.topic', type: 'topic', declare: 'assume' }).declare).toBe('assume');
    expect(defineExchange({ name: 'amqp' }).name).toBe('amqp');
  });

  it.each([
    [{ auto_delete: true }, 'auto_delete', 'autoDelete?'],
    [{ exchange_type: 'direct' }, 'exchange_type', 'write type.'],
    [{ durabel: true }, 'durabel', 'durable?'],
    [{ 'alternate-exchange': 'x' }, 'alternate-exchange', 'alternateExchange?'],
    [{ autodelete: true }, 'autodelete', 'autoDelete?'],
    [{ type: 'Fanout' }, 'type', 'fanout?'],
    [{ declare: 'asert' }, 'declare', 'assert?'],
    [{ AUTO_DELETE: true }, 'AUTO_DELETE', 'autoDelete?'],
  ])('helps with %j', (fields, option, hint) => {
    expect(define(fields)).toThrow(refusal(option));
    expect(define(fields)).toThrow(hint);
  });

  it('does not guess at what is far from everything', () => {
    expect(define({ colour: 'red' })).not.toThrow(/did you mean/);
    expect(define({ type: 'queue' })).not.toThrow(/did you mean/);
    expect(define({ internalise: true })).not.toThrow(/did you mean/);
    expect(define({ tap: true })).not.toThrow(/did you mean/);
  });

  it.each([undefined, null, 'echo-exchange', class EchoExchange {}])(
    'refuses %s in place of a definition',
    (given) => {
      expect(() => defineExchange(given as unknown as ExchangeDefinition)).toThrow(InvalidOptionError);
      expect(() => defineExchange(given as unknown as ExchangeDefinition)).toThrow(refusal('definition'));
    },
  );
});

describe('DEFAULT_EXCHANGE', () => {
  it('is durable, direct, nameless, never declared, and frozen', () => {
    expect(DEFAULT_EXCHANGE).toEqual({
      name: '',
      type: 'direct',
      durable: true,
      autoDelete: false,
      internal: false,
      arguments: {},
      declare: 'assume',
    });
    expect(Object.isFrozen(DEFAULT_EXCHANGE)).toBe(true);
    expect(Object.isFrozen(DEFAULT_EXCHANGE.arguments)).toBe(true);
  });
});
