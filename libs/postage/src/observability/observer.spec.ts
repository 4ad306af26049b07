import { describe, expect, it } from 'vitest';
import { combine, type PostageEvent } from './observer.js';

describe('combine', () => {
  it('tells every observer, also after one that throws', () => {
    const seen: PostageEvent[] = [];
    const broken = (): never => {
      throw new Error('broken logger');
    };
    const event = { kind: 'warning', text: 'x' } as const;
    combine(broken, (heard) => seen.push(heard))(event);
    expect(seen).toEqual([event]);
  });
});
