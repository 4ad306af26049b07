import type { Channel } from 'amqplib';

/** Headers that amqplib would not write: bytes of an AMQP table without its length. */
export type Table = Buffer;

const long = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const short = (text: string): Buffer =>
  Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);

/** A table with one key, whose value is a list in a list in a list ... */
export const nestedLists = (depth: number): Table => {
  const lists = Buffer.alloc(depth * 5);
  for (let level = 0; level < depth; level += 1) {
    lists.write('A', level * 5);
    lists.writeUInt32BE((depth - 1 - level) * 5, level * 5 + 1);
  }
  return Buffer.concat([short('deep'), lists]);
};

/** The same of tables. */
export const nestedTables = (depth: number): Table => {
  const tables = Buffer.alloc(depth * 7 - 2);
  for (let level = 0; level < depth; level += 1) {
    const at = level * 7;
    tables.write('F', at);
    // All that comes behind its own five bytes: a key of two, and the next table.
    tables.writeUInt32BE(tables.length - at - 5, at + 1);
    if (level < depth - 1) tables.write('\x01k', at + 5);
  }
  return Buffer.concat([short('deep'), tables]);
};

/** So many keys with a short text each. */
export const manyKeys = (count: number): Table =>
  Buffer.concat(
    Array.from({ length: count }, (_, index) =>
      Buffer.concat([short(`k${index}`), Buffer.from('S'), long(1), Buffer.from('v')]),
    ),
  );

/** One key whose value is a table: written by hand, the key may be `__proto__`. */
export const tableIn = (key: string, inner: Table): Table =>
  Buffer.concat([short(key), Buffer.from('F'), long(inner.length), inner]);

export const textIn = (key: string, text: string): Table =>
  Buffer.concat([short(key), Buffer.from('S'), long(Buffer.byteLength(text)), Buffer.from(text)]);

export interface RawMessage {
  readonly exchange?: string;
  readonly key: string;
  readonly headers: Table;
  readonly content: Buffer | string;
  readonly correlationId?: string;
}

const CONTENT_TYPE = 0x8000;
const HEADERS = 0x2000;
const CORRELATION_ID = 0x0400;

/** Publishes as a client can that writes its own frames. */
export const publishRaw = (channel: Channel, message: RawMessage): void => {
  const { exchange = '', key, headers, content, correlationId } = message;
  // The number of the channel, and the way to write bytes, are amqplib's own business.
  const { ch, connection } = channel as unknown as {
    readonly ch: number;
    readonly connection: { sendBytes(bytes: Buffer): void };
  };
  const frame = (type: number, payload: Buffer): Buffer => {
    const head = Buffer.from([type, ch >> 8, ch & 0xff]);
    return Buffer.concat([head, long(payload.length), payload, Buffer.from([0xce])]);
  };
  const body = Buffer.from(content);
  const publish = Buffer.concat([
    Buffer.from([0, 60, 0, 40, 0, 0]),
    short(exchange),
    short(key),
    Buffer.from([0]),
  ]);
  const flags = CONTENT_TYPE | HEADERS | (correlationId === undefined ? 0 : CORRELATION_ID);
  const header = Buffer.concat([
    Buffer.from([0, 60, 0, 0, 0, 0, 0, 0]),
    long(body.length),
    Buffer.from([flags >> 8, flags & 0xff]),
    short('application/json'),
    long(headers.length),
    headers,
    correlationId === undefined ? Buffer.alloc(0) : short(correlationId),
  ]);
  connection.sendBytes(Buffer.concat([frame(1, publish), frame(2, header), frame(3, body)]));
};
