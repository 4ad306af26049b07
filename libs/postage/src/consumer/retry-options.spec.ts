import { describe, expect, it } from 'vitest';
import { InvalidOptionError } from '../errors.js';
import { resolveRetry, type RetryPolicy } from './retry-options.js';

class Offline extends Error {}
abstract class Passing extends Error {}
class NotAnError {}

const resolve = (policy: RetryPolicy) => {
  const settings = resolveRetry(policy, 'retry');
  if (settings === false) throw new Error('there is none');
  return settings;
};

describe('resolveRetry', () => {
  it('has defaults for all of it', () => {
    expect(resolve({})).toMatchObject({
      attempts: 5,
      backoffMs: [1_000, 5_000, 30_000, 120_000],
      jitter: 0.2,
    });
    expect(resolve({}).isRetried('anything')).toBe(true);
    expect(resolve({ attempts: undefined, backoffMs: undefined, jitter: undefined, on: undefined })).toEqual(
      resolve({}),
    );
    expect(resolveRetry(false)).toBe(false);
  });

  it('takes classes of errors, abstract ones and the broadest included', () => {
    const { isRetried } = resolve({ on: [Offline, Passing, NotAnError] });
    class Late extends Passing {}
    expect([new Offline(), new Late(), new NotAnError()].map(isRetried)).toEqual([true, true, true]);
    expect([new Error('x'), 'x', undefined].map(isRetried)).toEqual([false, false, false]);
    expect(resolve({ on: [Error] }).isRetried(new Offline())).toBe(true);
    expect(resolve({ on: [] }).isRetried(new Offline())).toBe(false);
  });

  it('takes a function, and nothing but true for a yes', () => {
    const { isRetried } = resolve({ on: (error) => error === 'again' });
    expect(['again', 'never'].map(isRetried)).toEqual([true, false]);
    function plain(error: unknown): boolean {
      return error === 'again';
    }
    expect(resolve({ on: plain }).isRetried('again')).toBe(true);
    const promising = (async () => true) as unknown as (error: unknown) => boolean;
    expect(resolve({ on: promising }).isRetried('again')).toBe(false);
  });

  it('keeps what the caller changes later out of it', () => {
    const on = [Offline];
    const backoffMs = [1, 2];
    const settings = resolve({ on, backoffMs });
    on.pop();
    backoffMs.pop();
    expect(settings.isRetried(new Offline())).toBe(true);
    expect(settings.backoffMs).toEqual([1, 2]);
  });

  it.each<[problem: string, policy: unknown, option: string, text: RegExp]>([
    ['true', true, 'retry', /must be false, or an object/],
    ['a number', 3, 'retry', /must be false, or an object.*It is 3/],
    ['an array', [1_000], 'retry', /must be false, or an object/],
    ['null', null, 'retry', /must be false, or an object/],
    ['a misspelt field', { attemps: 3 }, 'retry.attemps', /did you mean attempts/],
    ['the word of another library', { maxRetry: 3 }, 'retry.maxRetry', /write attempts/],
    ['no attempt', { attempts: 0 }, 'retry.attempts', /at least 1/],
    ['half an attempt', { attempts: 1.5 }, 'retry.attempts', /at least 1/],
    ['endless attempts', { attempts: Infinity }, 'retry.attempts', /at least 1/],
    ['attempts as a text', { attempts: '3' }, 'retry.attempts', /not "3"/],
    ['a ladder of one number', { backoffMs: 1_000 }, 'retry.backoffMs', /must be a list/],
    ['no ladder', { backoffMs: [] }, 'retry.backoffMs', /at least one wait/],
    ['a wait below zero', { backoffMs: [1, -1] }, 'retry.backoffMs[1]', /from 0/],
    ['a wait that is no number', { backoffMs: [NaN] }, 'retry.backoffMs[0]', /whole number/],
    ['a wait of years', { backoffMs: [40_000_000_000] }, 'retry.backoffMs[0]', /a year/],
    ['a ladder with a hole', { backoffMs: [1, ...Array<number>(1)] }, 'retry.backoffMs[1]', /whole number/],
    ['jitter in percent', { jitter: 20 }, 'retry.jitter', /from 0 to 1/],
    ['jitter below zero', { jitter: -0.1 }, 'retry.jitter', /from 0 to 1/],
    ['jitter that is no number', { jitter: NaN }, 'retry.jitter', /from 0 to 1/],
    ['a class of its own', { on: Offline }, 'retry.on', /Write \[Offline\]/],
    ['a text for a class', { on: ['Offline'] }, 'retry.on[0]', /class of errors/],
    ['a function among classes', { on: [Offline, () => true] }, 'retry.on[1]', /class of errors/],
    ['an object', { on: {} }, 'retry.on', /list of error classes/],
  ])('refuses %s, and names the option', (_problem, policy, option, text) => {
    const refused = (): unknown => resolveRetry(policy as RetryPolicy, 'retry');
    expect(refused).toThrow(InvalidOptionError);
    expect(refused).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', option }) as Error);
    expect(refused).toThrow(text);
  });
});
