import { BrokerError, ConnectionError } from '../errors.js';
import type { Deadlines } from './deadlines.js';
import type { Declarations } from './declarations.js';
import type { ConfirmListener, Link, ReturnedMessage } from './port.js';
import {
  Publication,
  type OutcomeListener,
  type PublicationOwner,
  type PublishRequest,
} from './publication.js';
import type { PublishBuffer } from './publish-buffer.js';
import { isWithout, refuse } from './publish-refusal.js';
import { PublishTrack, type LaneChannel } from './publish-track.js';
import { findReturned } from './returnable.js';
import type { Supervisor } from './supervisor.js';
import { WaitingLine } from './waiting-line.js';

/** What all lanes of a publisher share. */
export interface LaneSurroundings {
  readonly supervisor: Supervisor;
  readonly declarations: Declarations;
  readonly buffer: PublishBuffer;
  readonly deadlines: Deadlines;
  readonly maxWaitingMs: number;
  /** The broker reads nothing from us at present. */
  isBlocked(): boolean;
  /** A channel of its own, or one that is shared where there are too many. */
  channelFor(link: Link, exchange: string): Promise<LaneChannel>;
}

/**
 * The messages to one exchange, in the order of the calls: those that wait to be sent, and those that are sent and not
 * confirmed. It has a channel of its own, since a channel ends with the first message that the broker refuses.
 */
export class PublishLane implements PublicationOwner {
  readonly #exchange: string;
  readonly #around: LaneSurroundings;
  /** Waiting for a connection, a declaration or room in the socket buffer. */
  readonly #line = new WaitingLine<Publication>();
  /** Sent and unconfirmed, settled or not. */
  readonly #unconfirmed = new WaitingLine<Publication>();
  #track: PublishTrack | undefined;
  #isPumping = false;
  /** Something has changed since the line was last looked at. */
  #isWoken = false;

  constructor(exchange: string, around: LaneSurroundings) {
    this.#exchange = exchange;
    this.#around = around;
  }

  get maxWaitingMs(): number {
    return this.#around.maxWaitingMs;
  }

  get deadlines(): Deadlines {
    return this.#around.deadlines;
  }

  /** It would leave at once. */
  get isFree(): boolean {
    return this.#line.size === 0 && this.#mayWrite();
  }

  /** Sent and not settled. */
  get unsettled(): number {
    let sent = 0;
    for (const { settled } of this.#unconfirmed) if (!settled) sent += 1;
    return sent;
  }

  /** Of a lane that is free. */
  sendNow(request: PublishRequest, listener?: OutcomeListener): Publication {
    const publication = new Publication(request, this, listener);
    if (!publication.settled) this.#write(publication);
    return publication;
  }

  /** Sends it after those before it. */
  line(request: PublishRequest, listener?: OutcomeListener): Publication {
    const publication = new Publication(request, this, listener);
    if (publication.settled) return publication;
    publication.place = 'waiting';
    this.#line.push(publication);
    this.#around.buffer.add(request.message.content.length);
    this.wake();
    return publication;
  }

  /** Something may have changed for the better. */
  wake(): void {
    this.#isWoken = true;
    if (this.#line.size > 0 && !this.#isPumping) void this.#pump();
  }

  /** The link is gone, and with it what was sent. Those that wait go on waiting for the next one. */
  lost(error: Error): void {
    this.#track = undefined;
    for (const publication of this.#unconfirmed) {
      this.#forget(publication);
      publication.fail('OUTCOME_UNKNOWN', error);
    }
  }

  failWaiting(fail: (publication: Publication) => void): void {
    for (const publication of this.#line) fail(publication);
  }

  /** Those that somebody still waits for. */
  *wanted(): Generator<Promise<void>> {
    for (const publication of [...this.#line, ...this.#unconfirmed])
      if (!publication.settled && isWanted(publication.request)) yield publication.promise;
  }

  onSettled(publication: Publication): void {
    if (publication.place === 'waiting') this.#leave(publication);
  }

  whyWaiting(): unknown {
    const { state, lastError } = this.#around.supervisor;
    if (state.kind !== 'ready') return lastError;
    if (state.blocked) return new Error(`the broker blocks publishers: ${state.blocked.reason}`);
    const { unconfirmed } = this.#track ?? { unconfirmed: 0 };
    return unconfirmed > 0
      ? new Error(`the broker has not confirmed ${unconfirmed} messages before it`)
      : undefined;
  }

  #leave(publication: Publication): void {
    publication.place = 'nowhere';
    this.#line.remove(publication);
    this.#around.buffer.remove(publication.request.message.content.length);
  }

  #mayWrite(): boolean {
    const track = this.#track;
    if (track === undefined || track.isExhausted) return false;
    const { declarations } = this.#around;
    return track.channel.isOpen && !this.#around.isBlocked() && declarations.has(this.#exchange);
  }

  #write(publication: Publication): void {
    const track = this.#track;
    if (track === undefined) return;
    const { message, watcher } = publication.request;
    publication.sent = true;
    watcher?.onSent();
    // Before publishing: a return may arrive before anything else does.
    publication.place = 'unconfirmed';
    this.#unconfirmed.push(publication);
    const bytes = message.content.length;
    track.onSent(bytes);
    const onConfirm: ConfirmListener = (failure) => {
      this.#forget(publication);
      if (failure === undefined) {
        track.hasConfirmed = true;
        publication.succeed();
      } else refuse(publication, track, failure);
      if (track.onConfirmed(bytes)) this.wake();
    };
    try {
      if (!track.channel.publish(message, onConfirm)) track.isFull = true;
    } catch (error) {
      // The driver could not write it, for example because a header is of no AMQP type: the caller must hear that.
      this.#forget(publication);
      publication.failWith(error);
      if (track.onConfirmed(bytes)) this.wake();
    }
  }

  #forget(publication: Publication): void {
    // The end of the link may have come first.
    if (publication.place !== 'unconfirmed') return;
    publication.place = 'nowhere';
    this.#unconfirmed.remove(publication);
  }

  /** Empties the line from its front, until it is empty or has to wait for an event. */
  async #pump(): Promise<void> {
    this.#isPumping = true;
    try {
      while (this.#isWoken && this.#line.size > 0) {
        this.#isWoken = false;
        await this.#sendThose();
      }
    } finally {
      this.#isPumping = false;
    }
  }

  async #sendThose(): Promise<void> {
    for (let { first } = this.#line; first !== undefined; first = this.#line.first) {
      if (!this.#mayWrite() && !(await this.#prepare(first))) return;
      // It may have settled while it waited, and left the line.
      if (first !== this.#line.first) continue;
      if (!isWanted(first.request)) first.fail('ABORTED');
      else if (this.#mayWrite()) {
        this.#leave(first);
        this.#write(first);
      } else return;
    }
  }

  /** Only an event helps: room in the socket buffer, a confirm, or the broker's word that it reads again. */
  #isStuck(): boolean {
    return this.#track?.isExhausted === true || this.#around.isBlocked();
  }

  /** Connects, opens a channel and declares; false when only an event (a new link, room in the buffer) can help. */
  async #prepare(publication: Publication): Promise<boolean> {
    const { supervisor, declarations } = this.#around;
    let link: Link | undefined;
    try {
      link = await supervisor.ready();
      if (this.#track?.channel.isOpen !== true) await this.#open(link);
      if (this.#isStuck()) return false;
      await declarations.ensure(publication.request.topology);
      return this.#track !== undefined;
    } catch (error) {
      // The publisher is restored after a loss, of the connection or of a channel, and wakes us.
      if (isPassing(error, supervisor.link !== link)) return false;
      // Anything else waiting does not cure, for none of them.
      this.failWaiting((waiting) => waiting.failWith(error));
      return true;
    }
  }

  async #open(link: Link): Promise<void> {
    const channel = await this.#around.channelFor(link, this.#exchange);
    if (this.#around.supervisor.link !== link) throw lostMeanwhile();
    this.use(channel);
  }

  /** From now on it sends on this channel. */
  use(given: LaneChannel): void {
    const track = new PublishTrack(given);
    const { channel } = track;
    channel.onReturn((message) => this.#onReturn(message));
    channel.onDrain(() => {
      track.isFull = false;
      this.wake();
    });
    channel.onClosed((error) => this.#onChannelClosed(track, error));
    this.#track = track;
    this.wake();
  }

  #onReturn(message: ReturnedMessage): void {
    // Other exchanges may use the channel, too.
    if (message.exchange !== this.#exchange) return;
    const publication = findReturned(this.#unconfirmed, message);
    if (publication === undefined) return;
    // The confirm that follows says nothing new.
    this.#forget(publication);
    publication.fail('UNROUTABLE');
    publication.request.watcher?.onReturned();
  }

  /** The broker closed the channel but not the connection, for example because an exchange is gone. */
  #onChannelClosed(track: PublishTrack, error: Error | undefined): void {
    if (this.#track !== track) return;
    this.#track = undefined;
    if (error !== undefined && isWithout(error, track, this.#exchange))
      this.#around.declarations.forgetExchange(this.#exchange);
    if (error !== undefined) this.wake();
  }
}

const isWanted = ({ watcher }: PublishRequest): boolean => watcher?.isWanted() !== false;

const lostMeanwhile = (): ConnectionError =>
  new ConnectionError('CONNECTION_LOST', 'the connection was lost while a channel was opened');

/** On a link that lives on, the broker's no stays a no: for example it gives us no further channel. */
const isPassing = (error: unknown, hasLostLink: boolean): boolean =>
  error instanceof ConnectionError ? !error.permanent : error instanceof BrokerError && hasLostLink;
