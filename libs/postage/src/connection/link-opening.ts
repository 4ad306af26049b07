import { ConnectionError, TopologyError } from '../errors.js';
import type { Attachments } from './attachments.js';
import { deferred } from './deferred.js';
import { onAbort } from './on-abort.js';
import { closedError } from './permanence.js';
import type { Link } from './port.js';
import { settleWithin } from './settle-within.js';

const LAST_WORD_MS = 2_000;

/** A new link on its way to be the current one: everything is put in place on it, unless the link ends first, or we do. */
export class LinkOpening {
  readonly #link: Link;
  readonly #end = deferred<never>();
  readonly #stop: AbortSignal;
  readonly #forget: () => void;

  constructor(link: Link, stop: AbortSignal) {
    this.#link = link;
    this.#stop = stop;
    this.#end.promise.catch(() => undefined);
    link.onClosed((error) => this.#end.reject(error ?? endOf(link)));
    this.#forget = onAbort(stop, () => this.#end.reject(closedError()));
  }

  /** When a refusal has ended the link, it explains more than the link's end. */
  async putInPlace(attachments: Attachments): Promise<void> {
    const restoring = attachments.restoreAll(this.#link);
    try {
      await Promise.race([restoring, this.#end.promise]);
    } catch (error) {
      let refusal: TopologyError | undefined;
      const looking = restoring.catch((reason: unknown) => {
        if (reason instanceof TopologyError) refusal = reason;
      });
      if (!this.#stop.aborted) await settleWithin(looking, LAST_WORD_MS);
      throw refusal ?? error;
    }
  }

  done(): void {
    this.#forget();
  }
}

export const endOf = ({ address }: Link): ConnectionError =>
  new ConnectionError('CONNECTION_LOST', `the connection to ${address} ended`);
