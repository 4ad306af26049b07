import { InvalidOptionError } from '../errors.js';
import type { RpcResult } from '../wire/rpc-result.js';
import { checkDuration } from './call-options.js';
import type { ReplyQueue } from './reply-queue.js';

/** When a gathering ends: with whichever comes first. */
export interface GatherOptions<V = unknown> {
  /** After so many replies. @default no limit */
  readonly count?: number | undefined;
  /** So many milliseconds after the request was sent. @default the producer's `timeoutMs`, 30_000 */
  readonly timeoutMs?: number | undefined;
  /** With the reply for which it is true; that one is still given. */
  readonly until?: ((reply: RpcResult<V>) => boolean) | undefined;
}

const KNOWN = ['count', 'timeoutMs', 'until'];

/** @throws {InvalidOptionError} naming the option */
export const checkGatherOptions = (options: GatherOptions<never>): void => {
  const { count, timeoutMs, until } = options;
  const stranger = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (stranger !== undefined)
    throw new InvalidOptionError(stranger, `is not an option of gather. Known: ${KNOWN.join(', ')}.`);
  if (count !== undefined && !(Number.isSafeInteger(count) && count > 0))
    throw new InvalidOptionError('count', `must be a whole number of at least 1, not ${String(count)}.`);
  if (timeoutMs !== undefined) checkDuration('timeoutMs', timeoutMs);
  if (until !== undefined && typeof until !== 'function')
    throw new InvalidOptionError('until', 'must be a function of a reply.');
};

/**
 * The replies to one request, as they come. The request is sent when the first is asked for; leaving the loop, or
 * `return()`, cleans up at once, also while somebody waits for the next reply.
 */
export class Gathering<V> implements AsyncIterableIterator<RpcResult<V>, undefined> {
  readonly #open: () => Promise<ReplyQueue<V>>;
  readonly #options: GatherOptions<V>;
  #replies: Promise<ReplyQueue<V>> | undefined;
  #given = 0;
  #done = false;

  constructor(open: () => Promise<ReplyQueue<V>>, options: GatherOptions<V>) {
    this.#open = open;
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<RpcResult<V>, undefined>> {
    if (this.#done) return DONE;
    try {
      this.#replies ??= this.#open();
      const [value] = await (await this.#replies).take(1, Infinity);
      if (value === undefined || this.#done) return await this.return();
      this.#given += 1;
      if (this.#given === this.#options.count || this.#options.until?.(value)) await this.return();
      return { done: false, value };
    } catch (error) {
      const stopped = this.#done;
      await this.return();
      if (stopped) return DONE;
      throw error;
    }
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#done = true;
    this.#replies?.then((replies) => replies.close()).catch(() => undefined);
    return Promise.resolve(DONE);
  }
}

const DONE = { done: true, value: undefined } as const;
