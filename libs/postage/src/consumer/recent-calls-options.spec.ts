import { describe, expect, it } from 'vitest';
import type { CallStore } from './call-store.js';
import { resolveRecentCalls } from './recent-calls-options.js';

const claim: CallStore['claim'] = () => ({ kind: 'claimed' });
const answered: CallStore['answered'] = () => undefined;
const store: CallStore = { claim, answered };
const DEFAULTS = {
  maxCalls: 10_000,
  maxAgeMs: 300_000,
  maxBytes: 33_554_432,
  store: undefined,
  storeTimeoutMs: 1_000,
};

describe('resolveRecentCalls', () => {
  it('takes the documented defaults for what is left out', () => {
    expect(resolveRecentCalls(undefined)).toEqual(DEFAULTS);
    expect(resolveRecentCalls({})).toEqual(DEFAULTS);
    const names = ['maxCalls', 'maxAgeMs', 'maxBytes', 'store', 'storeTimeoutMs'];
    const undefineds = Object.fromEntries(names.map((name) => [name, undefined]));
    expect(resolveRecentCalls(undefineds)).toEqual(DEFAULTS);
  });

  it('takes what is given, each for itself', () => {
    expect(resolveRecentCalls({ maxCalls: 1 })).toEqual({ ...DEFAULTS, maxCalls: 1 });
    expect(resolveRecentCalls({ maxAgeMs: 2 })).toEqual({ ...DEFAULTS, maxAgeMs: 2 });
    expect(resolveRecentCalls({ maxBytes: 3 })).toEqual({ ...DEFAULTS, maxBytes: 3 });
    expect(resolveRecentCalls({ store })).toEqual({ ...DEFAULTS, store });
    expect(resolveRecentCalls({ storeTimeoutMs: 4 })).toEqual({ ...DEFAULTS, storeTimeoutMs: 4 });
  });

  it('takes the store itself, with whatever it needs', () => {
    class Shared implements CallStore {
      readonly #claim = { kind: 'claimed' } as const;
      claim(): { readonly kind: 'claimed' } {
        return this.#claim;
      }
      answered(): void {}
    }
    const shared = new Shared();
    expect(resolveRecentCalls({ store: shared })).toHaveProperty('store', shared);
  });

  it('is switched off by false', () => {
    expect(resolveRecentCalls(false)).toBe(false);
  });

  it.for<[object, string]>([
    [{ maxCalls: 0 }, 'recentCalls.maxCalls'],
    [{ maxCalls: 1.5 }, 'recentCalls.maxCalls'],
    [{ maxCalls: '5' }, 'recentCalls.maxCalls'],
    [{ maxAgeMs: -1 }, 'recentCalls.maxAgeMs'],
    [{ maxAgeMs: Infinity }, 'recentCalls.maxAgeMs'],
    [{ maxBytes: NaN }, 'recentCalls.maxBytes'],
    [{ maxBytes: 0 }, 'recentCalls.maxBytes'],
    [{ storeTimeoutMs: 0 }, 'recentCalls.storeTimeoutMs'],
    [{ storeTimeoutMs: Infinity }, 'recentCalls.storeTimeoutMs'],
    [{ store: null }, 'recentCalls.store'],
    [{ store: 'redis' }, 'recentCalls.store'],
    [{ store: {} }, 'recentCalls.store'],
    [{ store: { claim } }, 'recentCalls.store'],
    [{ store: { answered } }, 'recentCalls.store'],
    [{ store: { claim: true, answered: true } }, 'recentCalls.store'],
    [{ maxAge: 5 }, 'recentCalls.maxAge'],
    [{ maxCalls: 5, ttl: 5 }, 'recentCalls.ttl'],
  ])('refuses %o, naming %s', ([given, option]) => {
    expect(() => resolveRecentCalls(given)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option }),
    );
  });
});
