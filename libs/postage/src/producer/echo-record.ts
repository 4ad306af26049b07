import type { PublishTarget } from '../errors.js';

/** So many replies in a row must carry their correlation id before a target counts as one that echoes it. */
const PROOF = 100;
const MAX_PROOF = 2 ** 20;
/** Targets that are remembered; names can come from outside, so there must be a limit. */
const MAX_TARGETS = 10_000;

interface Evidence {
  streak: number;
  /** Doubled each time that the proof turns out to be none: a mixed fleet must not be taken for one that echoes, again and again. */
  needed: number;
}

/** Which (exchange, key) couples are answered with the correlation id of the request, as far as one can tell by now. */
export class EchoRecord {
  readonly #evidence = new Map<string, Evidence>();
  /** Of the last call: the next one mostly has the same target, and a key costs more to make than to look up. */
  #last = { exchange: '', routingKey: '', key: keyOf('', '') };

  /** Every recent reply from there carried its correlation id. */
  has(target: PublishTarget): boolean {
    const evidence = this.#evidence.get(this.#keyOf(target));
    return evidence !== undefined && evidence.streak >= evidence.needed;
  }

  note(target: PublishTarget, echoed: boolean): void {
    const evidence = this.#evidenceOf(this.#keyOf(target));
    if (echoed) {
      evidence.streak += 1;
      return;
    }
    if (evidence.streak >= evidence.needed) evidence.needed = Math.min(evidence.needed * 2, MAX_PROOF);
    evidence.streak = 0;
  }

  get size(): number {
    return this.#evidence.size;
  }

  #keyOf({ exchange, routingKey }: PublishTarget): string {
    if (this.#last.exchange !== exchange || this.#last.routingKey !== routingKey)
      this.#last = { exchange, routingKey, key: keyOf(exchange, routingKey) };
    return this.#last.key;
  }

  #evidenceOf(key: string): Evidence {
    const known = this.#evidence.get(key);
    if (known && this.#evidence.size < MAX_TARGETS / 2) return known;
    return this.#touch(key, known);
  }

  /**
   * Puts it behind all others, so that the first in the map is the one that was not used for the longest time. As long as
   * nothing is near to be forgotten, the order does not matter.
   */
  #touch(key: string, known: Evidence | undefined): Evidence {
    const evidence = known ?? { streak: 0, needed: PROOF };
    if (!this.#evidence.delete(key) && this.#evidence.size >= MAX_TARGETS) this.#forgetOldest();
    this.#evidence.set(key, evidence);
    return evidence;
  }

  /** What is forgotten is merely unknown again, which is safe. */
  #forgetOldest(): void {
    const [oldest] = this.#evidence.keys();
    if (oldest !== undefined) this.#evidence.delete(oldest);
  }
}

const keyOf = (exchange: string, routingKey: string): string => `${exchange}\n${routingKey}`;
