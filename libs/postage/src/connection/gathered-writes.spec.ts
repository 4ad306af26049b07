import { setImmediate as turn } from 'node:timers/promises';
import type { ChannelModel } from 'amqplib';
import { describe, expect, it, vi } from 'vitest';
import { GatheredWrites, gatherWrites, type Outlet } from './gathered-writes.js';

const MIB = 1024 * 1024;

/** A socket that notes what is written at once, and takes more or not as it is told. */
class FakeSocket implements Outlet {
  writable = true;
  hasRoom = true;
  corks = 0;
  readonly written: Buffer[] = [];
  #onDrain: (() => void)[] = [];

  get bytes(): Buffer {
    return Buffer.concat(this.written);
  }

  write(bytes: Buffer): boolean {
    this.written.push(bytes);
    return this.hasRoom;
  }

  cork(): void {
    this.corks += 1;
  }

  uncork(): void {
    this.corks -= 1;
  }

  on(_event: 'drain', listener: () => void): void {
    this.#onDrain.push(listener);
  }

  drain(): void {
    this.hasRoom = true;
    for (const listener of this.#onDrain) listener();
  }
}

const frame = (text: string): Buffer => Buffer.from(text);

const start = (): { socket: FakeSocket; writes: GatheredWrites; onRoom: () => void } => {
  const socket = new FakeSocket();
  return { socket, writes: new GatheredWrites(socket), onRoom: vi.fn<() => void>() };
};

describe('GatheredWrites', () => {
  it('writes the small frames of one turn as one piece, in their order, and nothing before the turn ends', async () => {
    const { socket, writes, onRoom } = start();
    for (const text of ['one', 'two', 'three']) expect(writes.add(frame(text), onRoom)).toBe(true);
    expect(socket.written).toEqual([]);
    await turn();
    expect(socket.written).toEqual([frame('onetwothree')]);
    writes.add(frame('four'), onRoom);
    await turn();
    expect(socket.written).toEqual([frame('onetwothree'), frame('four')]);
    expect(onRoom).not.toHaveBeenCalled();
  });

  it('hands on large frames as they are, among the small ones', async () => {
    const { socket, writes, onRoom } = start();
    const large = Buffer.alloc(128 * 1024, 'x');
    for (const each of [frame('a'), frame('b'), large, large, frame('c')]) writes.add(each, onRoom);
    await turn();
    expect(socket.written).toEqual([frame('ab'), large, large, frame('c')]);
    expect(socket.written[1]).toBe(large);
    expect(socket.corks).toBe(0);
  });

  it('writes nothing more while the socket has enough, and all of it once it has drained', async () => {
    const { socket, writes, onRoom } = start();
    socket.hasRoom = false;
    writes.add(frame('a'), onRoom);
    await turn();
    writes.add(frame('b'), onRoom);
    writes.add(frame('c'), onRoom);
    await turn();
    expect(socket.bytes.toString()).toBe('a');
    socket.drain();
    await turn();
    expect(socket.bytes.toString()).toBe('abc');
  });

  it('says so where too much waits, and calls each that was told once, when there is room again', async () => {
    const { socket, writes } = start();
    const [first, second, idle] = [vi.fn<() => void>(), vi.fn<() => void>(), vi.fn<() => void>()];
    socket.hasRoom = false;
    expect(writes.add(frame('a'), idle)).toBe(true);
    expect(writes.add(Buffer.alloc(MIB), first)).toBe(false);
    expect(writes.add(Buffer.alloc(MIB), first)).toBe(false);
    expect(writes.add(frame('z'), second)).toBe(false);
    await turn();
    await turn();
    // All of it is with the socket, which has too much of it.
    expect(first).not.toHaveBeenCalled();
    expect(writes.add(frame('b'), idle)).toBe(true);
    socket.drain();
    await turn();
    expect([first, second, idle].map((onRoom) => onRoom.mock.calls.length)).toEqual([1, 1, 0]);
    expect(socket.bytes.length).toBe(2 * MIB + 3);
    writes.add(frame('c'), idle);
    await turn();
    expect(first).toHaveBeenCalledTimes(1);
  });

  it('calls at the end of the turn where the socket never had too much', async () => {
    const { writes, onRoom } = start();
    expect(writes.add(Buffer.alloc(MIB), onRoom)).toBe(false);
    expect(onRoom).not.toHaveBeenCalled();
    await turn();
    expect(onRoom).toHaveBeenCalledTimes(1);
  });

  it('keeps what is added by whoever has been told that there is room', async () => {
    const { socket, writes } = start();
    writes.add(Buffer.alloc(MIB), () => writes.add(frame('again'), () => undefined));
    await turn();
    await turn();
    expect(socket.written.at(-1)).toEqual(frame('again'));
  });

  it('calls nobody who has gone', async () => {
    const { writes, onRoom } = start();
    writes.add(Buffer.alloc(MIB), onRoom);
    writes.forget(onRoom);
    await turn();
    expect(onRoom).not.toHaveBeenCalled();
  });

  it('flushes at once, even where the socket has enough, and still tells of room only when it has drained', async () => {
    const { socket, writes, onRoom } = start();
    socket.hasRoom = false;
    writes.add(Buffer.alloc(MIB), onRoom);
    writes.flush();
    writes.add(frame('b'), onRoom);
    writes.flush();
    expect(socket.bytes.length).toBe(MIB + 1);
    writes.add(frame('c'), onRoom);
    await turn();
    expect(socket.bytes.length).toBe(MIB + 1);
    expect(onRoom).not.toHaveBeenCalled();
    socket.drain();
    await turn();
    expect(socket.bytes.length).toBe(MIB + 2);
    expect(onRoom).toHaveBeenCalledTimes(1);
  });

  it('writes nothing to a socket that has ended', async () => {
    const { socket, writes, onRoom } = start();
    writes.add(frame('a'), onRoom);
    socket.writable = false;
    await turn();
    expect(socket.written).toEqual([]);
  });
});

/** A connection as amqplib builds it, as far as it matters here. */
const fakeConnection = (socket: FakeSocket) => {
  const channels: { buffer: { write(frame: Buffer): boolean; end?(): void } }[] = [{ buffer: socket }];
  const freshChannel = (_channel: { onBufferDrain(): void }): number =>
    channels.push({ buffer: { write: () => expect.unreachable() } }) - 1;
  return { stream: socket, channels, freshChannel };
};

// The rest of it is not looked at.
const modelOf = (connection: unknown): ChannelModel => ({ connection }) as unknown as ChannelModel;

describe('gatherWrites', () => {
  it('gathers the frames of all channels, and lets no frame of the connection overtake them', async () => {
    const socket = new FakeSocket();
    const connection = fakeConnection(socket);
    gatherWrites(modelOf(connection));
    const channel = { onBufferDrain: vi.fn<() => void>() };
    const [first, second] = [connection.freshChannel(channel), connection.freshChannel(channel)];
    connection.channels[first]?.buffer.write(frame('1'));
    connection.channels[second]?.buffer.write(frame('2'));
    connection.channels[0]?.buffer.write(frame('close'));
    expect(socket.bytes.toString()).toBe('12close');
    connection.channels[second]?.buffer.write(frame('3'));
    await turn();
    expect(socket.bytes.toString()).toBe('12close3');
  });

  it('tells a channel of room once it was told to wait, unless it has ended', async () => {
    const connection = fakeConnection(new FakeSocket());
    gatherWrites(modelOf(connection));
    const [living, ended] = [{ onBufferDrain: vi.fn<() => void>() }, { onBufferDrain: vi.fn<() => void>() }];
    for (const channel of [living, ended])
      expect(connection.channels[connection.freshChannel(channel)]?.buffer.write(Buffer.alloc(MIB))).toBe(
        false,
      );
    connection.channels[2]?.buffer.end?.();
    await turn();
    expect(living.onBufferDrain).toHaveBeenCalledTimes(1);
    expect(ended.onBufferDrain).not.toHaveBeenCalled();
  });

  it.each([
    ['no channels', (all: object) => ({ ...all, channels: undefined })],
    ['no first channel', (all: object) => ({ ...all, channels: [] })],
    ['no such method', (all: object) => ({ ...all, freshChannel: undefined })],
    ['another stream', (all: object) => ({ ...all, stream: { write: () => true } })],
  ])('changes nothing where amqplib is built in another way: %s', (_what, change) => {
    const connection = fakeConnection(new FakeSocket());
    const { freshChannel, channels } = connection;
    gatherWrites(modelOf(change(connection)));
    expect(connection).toEqual({ stream: connection.stream, channels, freshChannel });
    expect(channels).toEqual([{ buffer: connection.stream }]);
  });
});
