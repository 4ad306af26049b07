import { CALL_HEADERS } from './call-headers.js';
import type { MessageProperties } from './port.js';
import type { Publication } from './publication.js';

/** What tells one message from another when it comes back. */
interface Sent {
  readonly exchange: string;
  readonly routingKey: string;
  readonly properties: MessageProperties;
}

/**
 * Mandatory messages on their way. Of several with the same id, exchange and key the broker returns all or none, in their
 * order: the first of them is meant.
 */
export class Returnable {
  readonly #sent = new Map<string, Publication[]>();

  add(publication: Publication): void {
    const key = keyOf(publication.request.message);
    const alike = this.#sent.get(key);
    if (alike) alike.push(publication);
    else this.#sent.set(key, [publication]);
  }

  /** Has come back: which one was that? */
  take(message: Sent): Publication | undefined {
    const key = keyOf(message);
    const alike = this.#sent.get(key);
    const first = alike?.shift();
    if (alike?.length === 0) this.#sent.delete(key);
    return first;
  }

  /** It does not come back any more. */
  delete(publication: Publication): void {
    const key = keyOf(publication.request.message);
    const alike = this.#sent.get(key);
    const index = alike?.indexOf(publication) ?? -1;
    if (alike === undefined || index < 0) return;
    if (alike.length === 1) this.#sent.delete(key);
    else alike.splice(index, 1);
  }

  clear(): void {
    this.#sent.clear();
  }
}

/** All attempts of an rpc have the same message id. */
const keyOf = ({ exchange, routingKey, properties: { messageId, headers } }: Sent): string => {
  const attempt = headers?.[CALL_HEADERS.attempt];
  const number = typeof attempt === 'number' ? attempt : '';
  return `${messageId ?? ''} ${number} ${exchange.length} ${exchange}${routingKey}`;
};
