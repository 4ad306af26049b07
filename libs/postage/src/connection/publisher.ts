import { BrokerError, ConnectionError, type PublishErrorCode } from '../errors.js';
import { CALL_HEADERS } from './call-headers.js';
import type { Declarations } from './declarations.js';
import type {
  ChannelPort,
  ConfirmListener,
  Link,
  MessageProperties,
  PublishFailure,
  ReturnedMessage,
} from './port.js';
import { Publication, type PublishRequest } from './publication.js';
import type { Attachment } from './attachment.js';
import type { Supervisor } from './supervisor.js';

/**
 * Publishes with confirms, in the order of the calls. While there is no channel, or the socket is full, messages wait
 * in line; each leaves the line at its own deadline.
 */
export class Publisher implements Attachment {
  readonly #supervisor: Supervisor;
  readonly #declarations: Declarations;
  /** Waiting for a connection, a declaration or room in the socket buffer; in order. */
  readonly #line: Publication[] = [];
  /** Sent and unconfirmed, settled or not: to find what a returned message belongs to. */
  readonly #unconfirmed = new Map<string, Publication>();
  #channel: ChannelPort | undefined;
  #full = false;
  #pumping = false;

  constructor(supervisor: Supervisor, declarations: Declarations) {
    this.#supervisor = supervisor;
    this.#declarations = declarations;
  }

  /** How many publishes have not settled yet. */
  get pending(): number {
    let sent = 0;
    for (const { settled } of this.#unconfirmed.values()) if (!settled) sent += 1;
    return this.#line.length + sent;
  }

  /**
   * Resolves once the broker has confirmed.
   * @throws {PublishError} see its codes
   * @throws {TopologyError} the broker refused to declare the exchange
   * @throws {ConnectionError} the broker refused credentials or vhost, or the connection was closed by us
   */
  publish(request: PublishRequest): Promise<void> {
    const publication = new Publication(request, this.#onSettled, this.#whyWaiting);
    if (publication.settled) return publication.promise;
    if (this.#line.length === 0 && this.#mayWrite(publication)) this.#write(publication);
    else {
      this.#line.push(publication);
      void this.#pump();
    }
    return publication.promise;
  }

  async restore(link: Link): Promise<void> {
    const channel = await link.openChannel();
    channel.onReturn((message) => this.#onReturn(message));
    channel.onDrain(() => {
      this.#full = false;
      void this.#pump();
    });
    channel.onClosed((error) => this.#onChannelClosed(channel, error));
    this.#channel = channel;
    this.#full = false;
    void this.#pump();
  }

  lost(error: Error): void {
    this.#channel = undefined;
    for (const publication of this.#unconfirmed.values()) publication.fail('OUTCOME_UNKNOWN', error);
    this.#unconfirmed.clear();
    // After a loss they wait for the next connection, within their deadlines; after our own close there is none.
    const closed = error instanceof ConnectionError && error.code === 'CONNECTION_CLOSED';
    if (closed) for (const waiting of [...this.#line]) waiting.failWith(error);
  }

  /** Resolves when every publish of now has settled; each does so within its own deadline. */
  async flush(): Promise<void> {
    const all = [...this.#line, ...this.#unconfirmed.values()].filter(
      ({ request }) => request.watcher?.isWanted() !== false,
    );
    await Promise.allSettled(all.map(({ promise }) => promise));
  }

  #mayWrite({ request }: Publication): boolean {
    return this.#channel?.isOpen === true && !this.#full && this.#declarations.has(request.message.exchange);
  }

  #write(publication: Publication): void {
    const { message } = publication.request;
    const id = idOf(message.properties);
    publication.sent = true;
    publication.request.watcher?.onSent();
    // Before publishing: a return may arrive before anything else does.
    if (id !== undefined) this.#unconfirmed.set(id, publication);
    const onConfirm: ConfirmListener = (failure) => {
      if (id !== undefined && this.#unconfirmed.get(id) === publication) this.#unconfirmed.delete(id);
      if (failure === undefined) publication.succeed();
      else this.#onFailure(publication, failure);
    };
    try {
      if (this.#channel?.publish(message, onConfirm) === false) this.#full = true;
    } catch (error) {
      // The driver could not write it, for example because a header is of no AMQP type: the caller must hear that.
      if (id !== undefined) this.#unconfirmed.delete(id);
      publication.failWith(error);
    }
  }

  #onFailure(publication: Publication, failure: PublishFailure): void {
    if (failure.kind === 'nacked') publication.fail('NACKED');
    else publication.fail(refusalOf(failure.cause, publication) ?? 'OUTCOME_UNKNOWN', failure.cause);
  }

  readonly #onSettled = (publication: Publication): void => {
    if (publication.sent) return;
    const index = this.#line.indexOf(publication);
    if (index >= 0) this.#line.splice(index, 1);
  };

  #onReturn({ properties }: ReturnedMessage): void {
    const id = idOf(properties);
    const publication = id === undefined ? undefined : this.#unconfirmed.get(id);
    publication?.fail('UNROUTABLE');
    publication?.request.watcher?.onReturned();
  }

  /** The broker closed the channel but not the connection, for example because an exchange is gone. */
  #onChannelClosed(channel: ChannelPort, error: Error | undefined): void {
    if (this.#channel !== channel) return;
    this.#channel = undefined;
    const missing = /NOT_FOUND - no exchange '(.*)' in vhost/.exec(error?.message ?? '')?.[1];
    if (missing !== undefined) this.#declarations.forgetExchange(missing);
    if (error !== undefined) void this.#supervisor.reattach(this);
  }

  /** Empties the line from its front, one message at a time, until it is empty or has to wait for an event. */
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (let first = this.#line[0]; first !== undefined; first = this.#line[0]) {
        if (!this.#mayWrite(first) && !(await this.#prepare(first))) break;
        // It may have settled while it waited, and left the line.
        if (first !== this.#line[0]) continue;
        if (first.request.watcher?.isWanted() === false) {
          first.fail('ABORTED');
          continue;
        }
        if (!this.#mayWrite(first)) break;
        this.#line.shift();
        this.#write(first);
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Connects and declares; false when only an event (a new channel, room in the buffer) can help. */
  async #prepare(publication: Publication): Promise<boolean> {
    try {
      await this.#supervisor.ready();
      if (!this.#channel || this.#full) return false;
      await this.#declarations.ensure(publication.request.topology);
      return true;
    } catch (error) {
      // After a loss `restore` pumps again; anything else waiting does not cure.
      if (isLoss(error)) return false;
      publication.failWith(error);
      return true;
    }
  }

  readonly #whyWaiting = (): unknown => {
    const { state, lastError } = this.#supervisor;
    if (state.kind !== 'ready') return lastError;
    return state.blocked && new Error(`the broker blocks publishers: ${state.blocked.reason}`);
  };
}

/** All attempts of an rpc have the same message id. */
const idOf = ({ messageId, headers }: MessageProperties): string | undefined => {
  const attempt = headers?.[CALL_HEADERS.attempt];
  return messageId !== undefined && typeof attempt === 'number' ? `${messageId} ${attempt}` : messageId;
};

const isLoss = (error: unknown): boolean =>
  error instanceof BrokerError || (error instanceof ConnectionError && !error.permanent);

/** A channel ends with the first message that the broker refuses; of the others nothing is known. */
const refusalOf = (cause: Error, { request }: Publication): PublishErrorCode | undefined => {
  const exchange = `exchange '${request.message.exchange || 'amq.default'}' in vhost`;
  if (cause.message.includes(`NOT_FOUND - no ${exchange}`)) return 'EXCHANGE_NOT_FOUND';
  // Older brokers leave out which access.
  const isRefused =
    cause.message.includes('ACCESS_REFUSED') && cause.message.includes(`access to ${exchange}`);
  return isRefused ? 'ACCESS_REFUSED' : undefined;
};
