import { onAbort } from '../connection/on-abort.js';
import { InvalidOptionError } from '../errors.js';
import type { RpcResult } from '../wire/rpc-result.js';
import { checkDuration } from './call-options.js';
import type { ReplyQueue } from './reply-queue.js';

/** When a gathering ends: with whichever comes first. */
export interface GatherOptions<V = unknown> {
  /** After so many replies. @default no limit */
  readonly count?: number | undefined;
  /** So many milliseconds after the first reply was asked for. @default the producer's `timeoutMs`, 30_000 */
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
  readonly #open: (signal: AbortSignal) => Promise<ReplyQueue<V>>;
  readonly #options: GatheringOptions<V>;
  readonly #stop = new AbortController();
  #stopListening: (() => void) | undefined;
  #replies: Promise<ReplyQueue<V>> | undefined;
  #given = 0;
  #done = false;

  /** @param open takes a signal that aborts when nobody wants replies any more, also before there is anything to close */
  constructor(open: (signal: AbortSignal) => Promise<ReplyQueue<V>>, options: GatheringOptions<V>) {
    this.#open = open;
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<RpcResult<V>, undefined>> {
    if (this.#done) return DONE;
    try {
      this.#replies ??= this.#start();
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
    this.#stopListening?.();
    this.#replies?.then((replies) => replies.close()).catch(() => undefined);
    this.#stop.abort();
    return Promise.resolve(DONE);
  }

  #start(): Promise<ReplyQueue<V>> {
    const stopListening = onAbort(this.#options.signal, (reason) => this.#stop.abort(reason));
    this.#stopListening = stopListening;
    const opening = this.#open(this.#stop.signal);
    // Also where the time ends it, and nobody asks again.
    opening.then((replies) => replies.onClosed(stopListening)).catch(stopListening);
    return opening;
  }
}

/** With what the call itself was told. */
export interface GatheringOptions<V> extends GatherOptions<V> {
  readonly signal?: AbortSignal | undefined;
}

const DONE = { done: true, value: undefined } as const;
