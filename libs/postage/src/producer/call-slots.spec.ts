import { getEventListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Line as OrderedLine } from '../connection/line.js';
import { CallSlots } from './call-slots.js';

const patient = (): AbortSignal => new AbortController().signal;

/** Somebody who asks for a slot, and what has become of that. */
class Taker {
  state = 'waiting';
  readonly #stop = new AbortController();

  constructor(slots: CallSlots, told: (taker: Taker) => void = () => undefined) {
    void this.#take(slots, told);
  }

  async #take(slots: CallSlots, told: (taker: Taker) => void): Promise<void> {
    try {
      await slots.take(this.#stop.signal);
      this.state = 'served';
      told(this);
    } catch (reason) {
      this.state = `gave up: ${String(reason)}`;
    }
  }

  get listeners(): number {
    return getEventListeners(this.#stop.signal, 'abort').length;
  }

  giveUp(why = 'enough'): void {
    this.#stop.abort(why);
  }
}

/** Lets everybody run on whose promise has settled. */
const settled = (): Promise<void> => new Promise(setImmediate);

describe('CallSlots', () => {
  it('hands out as many as there are, and takes them back', async () => {
    const slots = new CallSlots(2);
    expect([slots.tryTake(), slots.tryTake(), slots.tryTake()]).toEqual([true, true, false]);
    expect([slots.max, slots.taken]).toEqual([2, 2]);
    slots.release();
    await slots.take(patient());
    expect([slots.taken, slots.tryTake()]).toEqual([2, false]);
    slots.release();
    slots.release();
    expect([slots.taken, slots.waiting]).toEqual([0, 0]);
  });

  it('serves those who wait in the order in which they came', async () => {
    const slots = new CallSlots(1);
    slots.tryTake();
    const served: Taker[] = [];
    const takers = Array.from({ length: 4 }, () => new Taker(slots, (taker) => served.push(taker)));
    expect(slots.waiting).toBe(4);
    for (let count = 1; count <= 4; count += 1) {
      slots.release();
      await settled();
      expect(served).toEqual(takers.slice(0, count));
    }
    expect([slots.taken, slots.waiting]).toEqual([1, 0]);
  });

  it('goes from hand to hand, so that nobody overtakes one who waits', async () => {
    const slots = new CallSlots(1);
    slots.tryTake();
    const first = slots.take(patient());
    slots.release();
    // The first has not run on yet; the slot is its own all the same.
    expect([slots.tryTake(), slots.taken, slots.waiting]).toEqual([false, 1, 0]);
    const second = new Taker(slots);
    await first;
    await settled();
    expect(second.state).toBe('waiting');
    slots.release();
    await settled();
    expect(second.state).toBe('served');
  });

  it('lets those who wait give up with the reason of their signal, and keeps the order of the others', async () => {
    const slots = new CallSlots(1);
    slots.tryTake();
    const [first, second, third] = [new Taker(slots), new Taker(slots), new Taker(slots)];
    second.giveUp('no time');
    await settled();
    expect([second.state, slots.waiting]).toEqual(['gave up: no time', 2]);
    slots.release();
    await settled();
    expect([first.state, third.state]).toEqual(['served', 'waiting']);
    slots.release();
    await settled();
    expect([third.state, slots.taken]).toEqual(['served', 1]);
  });

  it('gives nothing to one whose signal has aborted before', async () => {
    const slots = new CallSlots(1);
    await expect(slots.take(AbortSignal.abort('too late'))).rejects.toBe('too late');
    expect([slots.taken, slots.waiting]).toEqual([0, 0]);
  });

  it('stays with one who was served just before its signal aborted', async () => {
    const slots = new CallSlots(1);
    slots.tryTake();
    const taker = new Taker(slots);
    slots.release();
    taker.giveUp();
    await settled();
    expect([taker.state, slots.taken]).toEqual(['served', 1]);
  });

  it('leaves no listener at the signals of those who were served', async () => {
    const slots = new CallSlots(2);
    const takers = [new Taker(slots), new Taker(slots), new Taker(slots)];
    expect(takers.map(({ listeners }) => listeners)).toEqual([0, 0, 1]);
    slots.release();
    await settled();
    expect(takers.map(({ listeners }) => listeners)).toEqual([0, 0, 0]);
  });
});

describe('CallSlots, when many give up', () => {
  /** One slot, which is taken, and the line of those who wait for it. */
  const takenSlot = () => {
    const line = new OrderedLine<() => void>();
    const slots = new CallSlots(1, line);
    slots.tryTake();
    return { slots, line };
  };

  it('keep none of them in the line for long, though no slot is ever released', async () => {
    const { slots, line } = takenSlot();
    let longest = 0;
    for (let count = 0; count < 5_000; count += 1) {
      new Taker(slots).giveUp();
      longest = Math.max(longest, line.size);
    }
    await settled();
    expect([slots.taken, slots.waiting]).toEqual([1, 0]);
    expect(longest).toBeLessThan(2_000);
  });

  it('keep the others in the line, in their order', async () => {
    const { slots, line } = takenSlot();
    const served: number[] = [];
    for (let number = 0; number < 2_000; number += 1) {
      const taker = new Taker(slots, () => served.push(number));
      if (number % 500 !== 0) taker.giveUp();
    }
    expect([slots.waiting, line.size < 1_500]).toEqual([4, true]);
    // Behind those who have moved up.
    void new Taker(slots, () => served.push(2_000));
    for (let count = 1; count <= 5; count += 1) slots.release();
    await settled();
    expect(served).toEqual([0, 500, 1_000, 1_500, 2_000]);
    expect([slots.taken, slots.waiting, line.size]).toEqual([1, 0, 0]);
  });

  it('let nobody move up as long as most of them still wait', async () => {
    const { slots, line } = takenSlot();
    const takers = Array.from({ length: 3_000 }, () => new Taker(slots));
    for (const taker of takers.slice(0, 1_000)) taker.giveUp();
    expect([slots.waiting, line.size]).toEqual([2_000, 3_000]);
    for (const taker of takers.slice(1_000, 2_000)) taker.giveUp();
    expect(line.size).toBeLessThan(3_000);
    await settled();
    slots.release();
    await settled();
    expect(takers.findIndex(({ state }) => state === 'served')).toBe(2_000);
  });
});

type Step =
  | { readonly kind: 'take' | 'tryTake' | 'release' | 'settle' }
  | { readonly kind: 'giveUp'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('take', 'take', 'tryTake', 'release', 'release', 'settle') }),
  fc.record({ kind: fc.constant('giveUp'), which: fc.nat(20) }),
);

/** What must become of everybody, by a line of people at a counter. */
class Line {
  readonly states: string[] = [];
  #taken = 0;
  #waiting: number[] = [];

  constructor(readonly max: number) {}

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  tryTake(): boolean {
    if (this.#taken >= this.max) return false;
    this.#taken += 1;
    return true;
  }

  take(): void {
    const isServed = this.tryTake();
    this.states.push(isServed ? 'served' : 'waiting');
    if (!isServed) this.#waiting.push(this.states.length - 1);
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else this.states[next] = 'served';
  }

  giveUp(which: number): void {
    if (this.#waiting.includes(which)) this.states[which] = 'gave up: enough';
    this.#waiting = this.#waiting.filter((each) => each !== which);
  }
}

describe('CallSlots, in any order of events', () => {
  it('are never more than there are, and serve or refuse everybody', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { maxLength: 60 }),
        async (max, steps) => {
          const slots = new CallSlots(max);
          const line = new Line(max);
          const takers: Taker[] = [];
          const release = (): void => {
            slots.release();
            line.release();
          };
          const agree = (): void => {
            expect([slots.taken, slots.waiting]).toEqual([line.taken, line.waiting]);
            expect(slots.taken).toBeLessThanOrEqual(max);
          };
          for (const each of steps) {
            if (each.kind === 'take') {
              takers.push(new Taker(slots));
              line.take();
            } else if (each.kind === 'tryTake') expect(slots.tryTake()).toBe(line.tryTake());
            else if (each.kind === 'release' && line.taken > 0) release();
            else if (each.kind === 'settle') await settled();
            else if (each.kind === 'giveUp') {
              takers[each.which]?.giveUp();
              line.giveUp(each.which);
            }
            agree();
          }
          while (line.taken > 0) release();
          await settled();
          agree();
          expect(takers.map(({ state }) => state)).toEqual(line.states);
          expect([slots.taken, line.states.includes('waiting')]).toEqual([0, false]);
        },
      ),
    );
  });
});
