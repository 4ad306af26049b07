import { describe, expect, it } from 'vitest';
import { endOfString, isDeeperThan } from './json-text.js';

describe('endOfString', () => {
  it.each([
    ['""', 2],
    ['"a"b', 3],
    [String.raw`"\""x`, 4],
    [String.raw`"\\"x`, 4],
    [String.raw`"\\\""x`, 6],
    [String.raw`"\"`, -1],
    ['"', -1],
  ])('finds the end of %s', (text, end) => {
    expect(endOfString(text, 0)).toBe(end);
  });
});

describe('isDeeperThan', () => {
  it('counts arrays and objects alike', () => {
    expect(isDeeperThan('[{"a":[1]}]', 3)).toBe(false);
    expect(isDeeperThan('[{"a":[1]}]', 2)).toBe(true);
  });

  it('counts what is open at once, not how much there is', () => {
    expect(isDeeperThan('[[],[],[{}],[]]', 3)).toBe(false);
    expect(isDeeperThan(`[${'[],'.repeat(100)}[]]`, 2)).toBe(false);
  });

  it('does not look into strings', () => {
    expect(isDeeperThan(String.raw`["[[[[","\"[[[[","\\",{"[[[":1}]`, 2)).toBe(false);
    expect(isDeeperThan(String.raw`["\\",[[1]]]`, 2)).toBe(true);
  });

  it('comes to an end in a string that does not', () => {
    expect(isDeeperThan('["[[[[[[', 2)).toBe(false);
    expect(isDeeperThan('["[[[[[[\\', 2)).toBe(false);
  });
});
