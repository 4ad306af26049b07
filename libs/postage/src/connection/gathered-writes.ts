import type { ChannelModel } from 'amqplib';

/** What waits for the socket, all channels together; whoever writes more is told to wait. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** A frame below it costs less to copy than to hand to the system on its own. */
const LARGE_FRAME_BYTES = 16 * 1024;

/** Of a socket, what is needed here. */
export interface Outlet {
  readonly writable: boolean;
  /** False: it has enough, and says `drain` when it can take more. */
  write(bytes: Buffer): boolean;
  cork(): void;
  uncork(): void;
  on(event: 'drain', listener: () => void): unknown;
}

/** The frames of all channels of a connection, which leave together, in their order, once in each turn of the event loop. */
export class GatheredWrites {
  readonly #outlet: Outlet;
  #frames: Buffer[] = [];
  #bytes = 0;
  #isScheduled = false;
  /** The socket has enough. */
  #isBlocked = false;
  /** To be called once there is room again. */
  readonly #waiting = new Set<() => void>();

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
    outlet.on('drain', () => {
      this.#isBlocked = false;
      this.#schedule();
    });
  }

  /** Returns false when there is enough: `onRoom` is called once there is room for more. */
  add(frame: Buffer, onRoom: () => void): boolean {
    this.#frames.push(frame);
    this.#bytes += frame.length;
    this.#schedule();
    if (this.#bytes < MAX_WAITING_BYTES) return true;
    this.#waiting.add(onRoom);
    return false;
  }

  forget(onRoom: () => void): void {
    this.#waiting.delete(onRoom);
  }

  /** Hands all of it to the socket now, even if that has enough. */
  flush(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    this.#frames = [];
    this.#bytes = 0;
    // The connection has ended: there is nobody to read them.
    if (!this.#outlet.writable) return;
    this.#outlet.cork();
    for (const piece of piecesOf(frames)) this.#isBlocked = !this.#outlet.write(piece);
    this.#outlet.uncork();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isBlocked) return;
    this.#isScheduled = true;
    setImmediate(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#isScheduled = false;
    if (this.#isBlocked) return;
    this.flush();
    if (!this.#isBlocked) this.#tellWaiting();
  };

  #tellWaiting(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const onRoom of waiting) onRoom();
  }
}

/** Small frames that follow one another become one piece. */
const piecesOf = (frames: readonly Buffer[]): readonly Buffer[] => {
  const pieces: Buffer[] = [];
  let small: Buffer[] = [];
  const join = (): void => {
    if (small.length > 0) pieces.push(Buffer.concat(small));
    small = [];
  };
  for (const frame of frames) {
    if (frame.length < LARGE_FRAME_BYTES) small.push(frame);
    else {
      join();
      pieces.push(frame);
    }
  }
  join();
  return pieces;
};

/** Where amqplib writes the frames of a channel. */
interface FrameBuffer {
  write(frame: Buffer): boolean;
  end(): void;
}

/** Of amqplib's connection, what is needed here: none of it is public. */
interface AmqpConnection {
  readonly stream: Outlet;
  /** By number; the first is the connection's own. */
  readonly channels: ({ buffer: Pick<FrameBuffer, 'write'> } | null | undefined)[];
  freshChannel: (channel: { readonly onBufferDrain: () => void }, options: unknown) => number;
}

/**
 * Lets the frames of one turn of the event loop leave together instead of one by one, each through two streams and a system
 * call of its own. amqplib has no option for it; where it is built in another way than today, nothing changes.
 */
export const gatherWrites = (model: ChannelModel): void => {
  const connection: object = model.connection;
  if (!isAsKnown(connection)) return;
  const { stream, channels } = connection;
  const writes = new GatheredWrites(stream);
  const [control] = channels;
  if (!control) return;
  // What ends a connection must not overtake what its channels have written.
  control.buffer = {
    write: (frame) => {
      writes.flush();
      return stream.write(frame);
    },
  };
  const open = connection.freshChannel.bind(connection);
  connection.freshChannel = (channel, options) => {
    const number = open(channel, options);
    const opened = channels[number];
    // Its types do not know it; another version may not have it.
    if (opened && typeof (channel as Partial<typeof channel>).onBufferDrain === 'function')
      opened.buffer = bufferOf(writes, channel);
    return number;
  };
};

const bufferOf = (
  writes: GatheredWrites,
  channel: Parameters<AmqpConnection['freshChannel']>[0],
): FrameBuffer => {
  const onRoom = (): void => channel.onBufferDrain();
  return { write: (frame) => writes.add(frame, onRoom), end: () => writes.forget(onRoom) };
};

const isAsKnown = (connection: object): connection is AmqpConnection => {
  const { stream, channels, freshChannel } = connection as Partial<AmqpConnection>;
  return (
    typeof stream?.write === 'function' &&
    typeof stream.writable === 'boolean' &&
    typeof stream.cork === 'function' &&
    typeof stream.uncork === 'function' &&
    typeof stream.on === 'function' &&
    typeof channels?.[0]?.buffer.write === 'function' &&
    typeof freshChannel === 'function'
  );
};
