import { describe, expect, it } from 'vitest';
import { DEFAULT_EXCHANGE, defineExchange } from '../topology/exchange.js';
import {
  GenericApplicationStatusExchange,
  resolveApplication,
  type ApplicationOptions,
  type ControlGuard,
  type ControlRequest,
} from './application-options.js';
import { GenericApplicationExchange } from './application-topology.js';

const Own = defineExchange({ name: 'own-exchange', type: 'topic' });
const refusal = (option: string): unknown =>
  expect.objectContaining({ name: 'InvalidOptionError', code: 'INVALID_OPTION', option });
const resolve = (options: unknown) => resolveApplication(options as ApplicationOptions);

const request: ControlRequest = {
  command: 'quit',
  body: {
    type: 'command',
    name: 'quit',
    category: 'message',
    version: '2',
    fingerprint: {},
    content: {},
    _reserved: {},
  },
  at: { queue: 'q', exchange: 'e', routingKey: 'k', sizeBytes: 1, redelivered: false },
  properties: {},
};

describe('resolveApplication', () => {
  it('defaults to a component without groups that obeys everybody and tells nobody', () => {
    const { quit, restart, ...rest } = resolveApplication({});

    expect(rest).toEqual({
      groups: [],
      exchange: GenericApplicationExchange,
      version: undefined,
      restartBy: 'replace',
      presence: undefined,
    });
    expect([quit(request), restart(request)]).toEqual([true, true]);
  });

  it('takes undefined for left out', () => {
    const { quit, restart, ...rest } = resolveApplication({
      groups: undefined,
      exchange: undefined,
      version: undefined,
      quit: undefined,
      restart: undefined,
      restartBy: undefined,
      presence: undefined,
    });
    const { quit: _quit, restart: _restart, ...defaults } = resolveApplication({});

    expect(rest).toEqual(defaults);
    expect([quit(request), restart(request)]).toEqual([true, true]);
  });

  it('keeps what it is given', () => {
    const restartBy = (): void => undefined;
    const settings = resolveApplication({
      groups: ['eu', '42'],
      exchange: Own,
      version: '1.2.3',
      restartBy,
      presence: { exchange: Own, intervalMs: 500 },
    });

    expect(settings).toMatchObject({ groups: ['eu', '42'], version: '1.2.3' });
    expect(settings.exchange).toBe(Own);
    expect(settings.restartBy).toBe(restartBy);
    expect(settings.presence?.exchange).toBe(Own);
    expect(settings.presence?.intervalMs).toBe(500);
  });

  it('keeps each group once, in order', () => {
    expect(resolveApplication({ groups: ['us', 'eu', 'us'] }).groups).toEqual(['us', 'eu']);
  });

  it('copies the list of groups', () => {
    const groups = ['eu'];
    const settings = resolveApplication({ groups });
    groups.push('us');

    expect(settings.groups).toEqual(['eu']);
  });

  it('makes guards of booleans', async () => {
    for (const isAllowed of [true, false]) {
      const { quit, restart } = resolveApplication({ quit: isAllowed, restart: !isAllowed });
      expect(await quit(request)).toBe(isAllowed);
      expect(await restart(request)).toBe(!isAllowed);
    }
  });

  it('keeps guards that are functions', () => {
    const quit: ControlGuard = ({ command }) => command === 'quit';
    const restart: ControlGuard = async () => false;
    const settings = resolveApplication({ quit, restart });

    expect(settings.quit).toBe(quit);
    expect(settings.restart).toBe(restart);
  });

  it.each([0, 1, 42, 255])('takes the exit code %d for a way to restart', (exitCode) => {
    expect(resolveApplication({ restartBy: { exitCode } }).restartBy).toEqual({ exitCode });
  });

  it('takes the word "replace" for a way to restart', () => {
    expect(resolveApplication({ restartBy: 'replace' }).restartBy).toBe('replace');
  });

  it('resolves presence that is switched on to its defaults', () => {
    const defaults = { exchange: GenericApplicationStatusExchange, intervalMs: 10_000 };

    for (const presence of [true, {}, { exchange: undefined, intervalMs: undefined }])
      expect(resolveApplication({ presence }).presence).toEqual(defaults);
    expect(resolveApplication({ presence: { exchange: Own } }).presence).toEqual({
      ...defaults,
      exchange: Own,
    });
  });

  it('leaves presence out that is switched off', () => {
    expect(resolveApplication({ presence: false }).presence).toBeUndefined();
  });

  it.each([1, 86_400_000])('takes %d ms for the interval of heartbeats', (intervalMs) => {
    expect(resolveApplication({ presence: { intervalMs } }).presence?.intervalMs).toBe(intervalMs);
  });
});

describe('GenericApplicationStatusExchange', () => {
  it('gives every listener all of it, and stays', () => {
    expect(GenericApplicationStatusExchange).toEqual(
      defineExchange({ name: 'generic-application-status-exchange', type: 'fanout', durable: true }),
    );
  });
});

describe('resolveApplication, given what is wrong', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a boolean', true],
    ['a name', 'monitor'],
  ])('refuses %s in place of options', (_what, options) => {
    expect(() => resolve(options)).toThrow(refusal('application'));
  });

  it.each<[string, unknown, string]>([
    ['an option that it does not know', { name: 'monitor' }, 'application.name'],
    ['a misspelt option', { groups: [], restartby: 'replace' }, 'application.restartby'],
    ['one group in place of a list', { groups: 'eu' }, 'application.groups'],
    ['a set of groups', { groups: new Set(['eu']) }, 'application.groups'],
    ['an empty group', { groups: ['eu', ''] }, 'application.groups[1]'],
    ['a group that is no text', { groups: [7] }, 'application.groups[0]'],
    ['a group with a slash', { groups: ['eu', 'us', 'a/b'] }, 'application.groups[2]'],
    ['a group with an @', { groups: ['a@b'] }, 'application.groups[0]'],
    ['a group with a #', { groups: ['a#b'] }, 'application.groups[0]'],
    ['a group of 256 bytes', { groups: ['é'.repeat(128)] }, 'application.groups[0]'],
    ['the default exchange', { exchange: DEFAULT_EXCHANGE }, 'application.exchange'],
    ['a version that is a number', { version: 1 }, 'application.version'],
    ['a version that is null', { version: null }, 'application.version'],
    ['a text for whether to quit', { quit: 'yes' }, 'application.quit'],
    ['a number for whether to quit', { quit: 0 }, 'application.quit'],
    ['a text for whether to restart', { restart: 'no' }, 'application.restart'],
    ['an object for whether to restart', { restart: {} }, 'application.restart'],
    ['a way to restart that there is not', { restartBy: 'exit' }, 'application.restartBy'],
    ['a number for the way to restart', { restartBy: 1 }, 'application.restartBy'],
    ['a boolean for the way to restart', { restartBy: false }, 'application.restartBy'],
    ['an exit without its code', { restartBy: {} }, 'application.restartBy'],
    ['a negative exit code', { restartBy: { exitCode: -1 } }, 'application.restartBy'],
    ['an exit code of more than a byte', { restartBy: { exitCode: 256 } }, 'application.restartBy'],
    ['an exit code that is a fraction', { restartBy: { exitCode: 1.5 } }, 'application.restartBy'],
    ['an exit code that is a text', { restartBy: { exitCode: '3' } }, 'application.restartBy'],
    ['a number for presence', { presence: 1 }, 'application.presence'],
    ['a text for presence', { presence: 'on' }, 'application.presence'],
    ['a misspelt option of presence', { presence: { interval: 1 } }, 'application.presence.interval'],
    [
      'the default exchange for presence',
      { presence: { exchange: DEFAULT_EXCHANGE } },
      'application.presence.exchange',
    ],
    ...[0, -1, 1.5, 86_400_001, Number.NaN, Number.POSITIVE_INFINITY, '500', null].map(
      (intervalMs): [string, unknown, string] => [
        `an interval of ${JSON.stringify(intervalMs)} (${String(intervalMs)})`,
        { presence: { intervalMs } },
        'application.presence.intervalMs',
      ],
    ),
  ])('refuses %s and names it', (_what, options, option) => {
    expect(() => resolve(options)).toThrow(refusal(option));
  });

  it.each<[string, unknown]>([
    ['its name', 'own-exchange'],
    ['a class', class OwnExchange {}],
    ['what was not defined', { name: 'own-exchange', type: 'topic' }],
    ['what was tampered with', { ...Own, type: 'fan' }],
  ])('refuses an exchange by %s and names the option', (_what, exchange) => {
    const within = (option: string): unknown =>
      expect.objectContaining({ code: 'INVALID_OPTION', option: expect.stringContaining(option) });

    expect(() => resolve({ exchange })).toThrow(within('application.exchange'));
    expect(() => resolve({ presence: { exchange } })).toThrow(within('application.presence.exchange'));
  });
});
