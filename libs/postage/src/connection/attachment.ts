import type { Link } from './port.js';

/** Something that lives on a connection and is put back in place on every new one: a consumer, a publisher, reply queues. */
export interface Attachment {
  /** Rebuilds itself on a new link, or rejects; a rejection fails the whole attempt, so that "ready" means all of it. */
  restore(link: Link): Promise<void>;
  /** Called once everything else is in place, too: what brings messages begins here. A rejection fails the attempt. */
  begin?(link: Link): Promise<void>;
  /** The link is gone, and with it every channel of this attachment. */
  lost(error: Error): void;
}
