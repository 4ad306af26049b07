import type { Attachment } from './attachment.js';
import type { Link } from './port.js';

/** Everything that lives on one supervised connection, and what of it is in place on the present link. */
export class Attachments {
  readonly #all = new Set<Attachment>();
  /** In place on the link that is current, or about to be. */
  readonly #inPlace = new Set<Attachment>();

  add(attachment: Attachment): void {
    this.#all.add(attachment);
  }

  delete(attachment: Attachment): void {
    this.#all.delete(attachment);
    this.#inPlace.delete(attachment);
  }

  has(attachment: Attachment): boolean {
    return this.#all.has(attachment);
  }

  isInPlace(attachment: Attachment): boolean {
    return this.#inPlace.has(attachment);
  }

  /** It lost its channel: it is to be restored again, also when that is just being done. */
  misplace(attachment: Attachment): void {
    this.#inPlace.delete(attachment);
  }

  /** A new link: nothing is in place on it. */
  reset(): void {
    this.#inPlace.clear();
  }

  /** The first, in the order of attaching, that is not in place. */
  missing(): Attachment | undefined {
    return [...this.#all].find((attachment) => !this.#inPlace.has(attachment));
  }

  /** Those that are added, or lost again, meanwhile are restored too. */
  async restoreAll(link: Link): Promise<void> {
    for (let next = this.missing(); next !== undefined; next = this.missing()) await this.restore(link, next);
  }

  async restore(link: Link, attachment: Attachment): Promise<void> {
    // Before: a loss meanwhile takes it out again.
    this.#inPlace.add(attachment);
    try {
      await attachment.restore(link);
    } catch (error) {
      this.#inPlace.delete(attachment);
      throw error;
    }
  }

  lost(error: Error): void {
    for (const attachment of this.#all) attachment.lost(error);
  }
}
