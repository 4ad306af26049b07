import type { Attachment } from './attachment.js';
import type { Attachments } from './attachments.js';
import { Attempts } from './attempts.js';
import type { Backoff } from './backoff.js';
import { pause } from './pause.js';
import type { Link } from './port.js';

export interface ReattachmentsOptions {
  readonly attachments: Attachments;
  readonly backoff: Backoff;
  readonly random: () => number;
  /** Aborts when the connection is closed for good. */
  readonly stop: AbortSignal;
  /** The current link, when it is ready. */
  readonly link: () => Link | undefined;
  readonly onError: (error: unknown) => void;
}

/** Puts attachments back that lost their channel while their link lives on. */
export class Reattachments {
  readonly #options: ReattachmentsOptions;
  /** Being put back, and on which link. */
  readonly #running = new Map<Attachment, Link>();
  /** One that is lost as soon as it is back is not put back ever faster. */
  readonly #attempts = new WeakMap<Attachment, Attempts>();

  constructor(options: ReattachmentsOptions) {
    this.#options = options;
  }

  /** Until it is in place or removed, or the link is another one. */
  async reattach(attachment: Attachment): Promise<void> {
    const link = this.#options.link();
    // Who is at it already on this link sees that there is more to do.
    if (link === undefined || this.#running.get(attachment) === link) return;
    this.#running.set(attachment, link);
    await this.#reattachTo(link, attachment);
    if (this.#running.get(attachment) === link) this.#running.delete(attachment);
  }

  async #reattachTo(link: Link, attachment: Attachment): Promise<void> {
    const { attachments, stop, onError } = this.#options;
    const attempts = this.#attemptsOf(attachment);
    attempts.lost();
    while (!attachments.isInPlace(attachment)) {
      await pause(attempts.nextDelayMs(), stop);
      // A newer link has restored it with everything else.
      if (this.#options.link() !== link || !attachments.has(attachment)) return;
      attempts.begin();
      try {
        await attachments.restore(link, attachment);
        attempts.succeeded();
      } catch (error) {
        onError(error);
      }
    }
  }

  #attemptsOf(attachment: Attachment): Attempts {
    const { backoff, random } = this.#options;
    const attempts = this.#attempts.get(attachment) ?? new Attempts(backoff, random);
    this.#attempts.set(attachment, attempts);
    return attempts;
  }
}
