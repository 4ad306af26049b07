import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WaitingLine, type InLine } from './waiting-line.js';

class Person implements InLine<Person> {
  previous: Person | undefined;
  next: Person | undefined;
  constructor(readonly name: number) {}
}

describe('WaitingLine', () => {
  it('does as a list does, whoever comes and leaves', () => {
    const steps = fc.array(fc.oneof(fc.constant('push' as const), fc.nat({ max: 50 })), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (todo) => {
        const line = new WaitingLine<Person>();
        const list: Person[] = [];
        for (const [index, step] of todo.entries()) {
          if (step === 'push') {
            const person = new Person(index);
            line.push(person);
            list.push(person);
          } else {
            const [gone] = list.splice(step, 1);
            if (gone) line.remove(gone);
          }
          expect([...line]).toEqual(list);
          expect(line.size).toBe(list.length);
          expect(line.first).toBe(list[0]);
        }
      }),
    );
  });

  it('can be walked along while those that are looked at leave', () => {
    const line = new WaitingLine<Person>();
    for (const name of [1, 2, 3]) line.push(new Person(name));
    const seen: number[] = [];
    for (const person of line) {
      seen.push(person.name);
      line.remove(person);
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(line.size).toBe(0);
  });
});
