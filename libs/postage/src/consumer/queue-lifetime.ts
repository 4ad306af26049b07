import type { Queue } from '../topology/types.js';
import type { QueueNature } from './queue-nature.js';

/** What a queue needs of its consumer while it is paused. */
export type PausedMode = 'keeping' | 'visiting' | 'resting';

/** Longer timers of Node end at once. */
const LONGEST_MS = 2_147_483_647;

/** What a queue that is paused needs, so that it is there when it is resumed. */
export class QueueLifetime {
  readonly #queue: Queue | undefined;
  readonly #nature: QueueNature;

  constructor(queue: Queue | undefined, nature: QueueNature) {
    this.#queue = queue;
    this.#nature = nature;
  }

  /** The broker deletes it when its last consumer goes (auto-delete), some time after that (expires), or never. */
  get whilePaused(): PausedMode {
    const { isStream, isQuorum } = this.#nature;
    if (this.#queue?.autoDelete === true) return 'keeping';
    if (isStream) return 'resting';
    if (this.expiresMs !== undefined) return isQuorum ? 'visiting' : 'keeping';
    // What somebody else has declared may be anything; but only classic queues can be auto-delete.
    return this.#queue?.declare === 'assert' || isQuorum ? 'resting' : 'keeping';
  }

  /** Often enough that it does not expire. */
  get visitEveryMs(): number {
    return Math.min((this.expiresMs ?? Infinity) / 2, LONGEST_MS);
  }

  /** How long it lives without use, where it is known. */
  get expiresMs(): number | undefined {
    const expiresMs = this.#queue?.arguments['x-expires'];
    return typeof expiresMs === 'number' ? expiresMs : undefined;
  }

  /** It is ours to declare: whenever it is gone, it comes back. */
  get isOurs(): boolean {
    return this.#queue?.declare === 'assert';
  }
}
