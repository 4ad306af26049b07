import { describe, expect, it } from 'vitest';
import { mergeCallOptions } from './call-options.js';

const refused = (given: object): string | undefined => {
  try {
    mergeCallOptions({}, given);
  } catch (error) {
    return (error as { option: string }).option;
  }
  return undefined;
};

describe('mergeCallOptions', () => {
  it('leaves out what the headers of another message tell of its runs', () => {
    const headers = {
      mine: 1,
      'postage-attempt': 1,
      'postage-retry-attempt': 3,
      'postage-first-failure': 'x',
      'postage-last-error': 'x',
      'postage-exchange': 'x',
      'postage-routing-key': 'x',
      'postage-handlers': ['A.one'],
      'postage-queue': 'work',
      'postage-deadline': 'x',
      'postage-reason': 'failed',
    };
    expect(mergeCallOptions({}, { headers })).toEqual({ headers: { mine: 1, 'postage-attempt': 1 } });
  });

  it('lays later options over earlier ones, and joins headers', () => {
    const before = mergeCallOptions({}, { key: 'a', timeoutMs: 5, headers: { x: 1, y: 1 } });
    expect(mergeCallOptions(before, { timeoutMs: 6, headers: { y: 2 } })).toEqual({
      key: 'a',
      timeoutMs: 6,
      headers: { x: 1, y: 2 },
    });
  });

  it('takes undefined as not given', () => {
    expect(mergeCallOptions({ timeoutMs: 5 }, { timeoutMs: undefined, key: undefined })).toEqual({
      timeoutMs: 5,
    });
  });

  it.for([
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ timeoutMs: -1 }, 'timeoutMs'],
    [{ timeoutMs: 2 ** 31 }, 'timeoutMs'],
    [{ timeoutMs: Infinity }, 'timeoutMs'],
    [{ timeoutMs: '5' }, 'timeoutMs'],
    [{ maxRetry: -1 }, 'maxRetry'],
    [{ maxRetry: 0.5 }, 'maxRetry'],
    [{ publishTimeoutMs: 0 }, 'publishTimeoutMs'],
    [{ expirationMs: -1 }, 'expirationMs'],
    [{ priority: 256 }, 'priority'],
    [{ persistent: 1 }, 'persistent'],
    [{ mandatory: 'yes' }, 'mandatory'],
    [{ queueOnly: null }, 'queueOnly'],
    [{ headers: [] }, 'headers'],
    [{ signal: {} }, 'signal'],
    [{ key: 'x'.repeat(256) }, 'key'],
    [{ __proto__: null, constructor: 1 }, 'constructor'],
    [{ timeout: 1 }, 'timeout'],
  ] as const)('refuses %j, naming %s', ([given, option]) => {
    expect(refused(given)).toBe(option);
  });

  it('takes no retry and no delay at all', () => {
    expect(refused({ maxRetry: 0, expirationMs: 0, priority: 0, key: '' })).toBeUndefined();
  });
});
