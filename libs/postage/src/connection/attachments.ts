import type { Attachment } from './attachment.js';
import type { Link } from './port.js';

/** Everything that lives on one supervised connection, and what of it is in place on the present link. */
export class Attachments {
  readonly #all = new Set<Attachment>();
  /** In place on the link that is current, or about to be. */
  readonly #inPlace = new Set<Attachment>();
  /** Those of them that have begun, too. */
  readonly #begun = new Set<Attachment>();

  add(attachment: Attachment): void {
    this.#all.add(attachment);
  }

  delete(attachment: Attachment): void {
    this.#all.delete(attachment);
    this.misplace(attachment);
  }

  has(attachment: Attachment): boolean {
    return this.#all.has(attachment);
  }

  isInPlace(attachment: Attachment): boolean {
    return this.#inPlace.has(attachment) && this.#begun.has(attachment);
  }

  /** It lost its channel: it is to be restored again, also when that is just being done. */
  misplace(attachment: Attachment): void {
    this.#inPlace.delete(attachment);
    this.#begun.delete(attachment);
  }

  /** A new link: nothing is in place on it. */
  reset(): void {
    this.#inPlace.clear();
    this.#begun.clear();
  }

  /** The first, in the order of attaching, that is not in place, or has not begun. */
  missing(): Attachment | undefined {
    return this.#first(this.#inPlace) ?? this.#first(this.#begun);
  }

  /**
   * First puts all of them in place, then lets them begin: nothing is handed to handlers as long as something else is
   * refused, or it would be handed out again with every attempt. Those that are added, or lost again, meanwhile are restored too.
   */
  async restoreAll(link: Link): Promise<void> {
    for (let next = this.missing(); next !== undefined; next = this.missing()) {
      if (this.#inPlace.has(next)) await this.#begin(link, next);
      else await this.#restore(link, next);
    }
  }

  /** One alone, while the link is in use. */
  async restore(link: Link, attachment: Attachment): Promise<void> {
    await this.#restore(link, attachment);
    if (this.#inPlace.has(attachment)) await this.#begin(link, attachment);
  }

  lost(error: Error): void {
    for (const attachment of this.#all) attachment.lost(error);
  }

  #restore(link: Link, attachment: Attachment): Promise<void> {
    return during(this.#inPlace, attachment, () => attachment.restore(link));
  }

  async #begin(link: Link, attachment: Attachment): Promise<void> {
    await during(this.#begun, attachment, async () => attachment.begin?.(link));
  }

  #first(done: ReadonlySet<Attachment>): Attachment | undefined {
    for (const attachment of this.#all) if (!done.has(attachment)) return attachment;
    return undefined;
  }
}

const during = async (
  set: Set<Attachment>,
  attachment: Attachment,
  work: () => Promise<void>,
): Promise<void> => {
  // Before: a loss meanwhile takes it out again.
  set.add(attachment);
  try {
    await work();
  } catch (error) {
    set.delete(attachment);
    throw error;
  }
};
