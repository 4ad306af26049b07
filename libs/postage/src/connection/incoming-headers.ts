import { MalformedMessageError } from '../errors.js';
import type { Delivery, MessageProperties } from './port.js';

/** What stands in for the properties of a message that amqplib could not read. */
const PROBLEM = Symbol('postage.problem');

/** Of amqplib's connection, what is needed here: none of it is public. */
interface FrameReader {
  rest: Buffer;
  recvFrame: () => unknown;
}

const FRAME_HEADER = 2;
const FRAME_HEAD_BYTES = 7;

/**
 * Keeps a message whose properties can not be read from ending the connection. amqplib reads tables recursively: headers
 * nested some thousand levels deep, which RabbitMQ takes from anybody, overflow its stack. It then drops the connection, the
 * broker delivers the message again, and so on for ever. Here it is delivered without its properties, to be rejected.
 * Does nothing where amqplib is not as we know it.
 */
export const keepUnreadable = (connection: object): void => {
  if (!isFrameReader(connection)) return;
  const receive = connection.recvFrame.bind(connection);
  connection.recvFrame = () => {
    const before = connection.rest;
    try {
      return receive();
    } catch (error) {
      // What is wrong with the frame itself is found before it is taken off.
      const instead = connection.rest === before ? undefined : withoutProperties(before, error);
      if (instead === undefined) throw error;
      return instead;
    }
  };
};

const isFrameReader = (connection: object): connection is FrameReader => {
  const { rest, recvFrame } = connection as Partial<FrameReader>;
  return Buffer.isBuffer(rest) && typeof recvFrame === 'function';
};

/** A content header frame as amqplib decodes it, with the problem in the place of the properties. */
const withoutProperties = (bytes: Buffer, error: unknown): object | undefined => {
  if (bytes.length < FRAME_HEAD_BYTES + 12 || bytes.readUInt8(0) !== FRAME_HEADER) return undefined;
  const payload = bytes.subarray(FRAME_HEAD_BYTES);
  return {
    id: payload.readUInt16BE(0),
    channel: bytes.readUInt16BE(1),
    size: Number(payload.readBigUInt64BE(4)),
    fields: { [PROBLEM]: error instanceof Error ? error.message : String(error) },
  };
};

/** Properties as they came, or why there are none. */
export const readProperties = (raw: MessageProperties): Pick<Delivery, 'properties' | 'problem'> => {
  const { [PROBLEM]: problem } = raw as { readonly [PROBLEM]?: string };
  if (problem !== undefined) return { properties: {}, problem };
  if (raw.headers !== undefined) ownPrototypes(raw.headers);
  return { properties: raw };
};

/** amqplib gives a table with a key `__proto__` that table as its prototype: nothing may be read that was not sent as a key. */
const ownPrototypes = (headers: object): void => {
  const tables: object[] = [headers];
  for (let table = tables.pop(); table !== undefined; table = tables.pop()) {
    if (Buffer.isBuffer(table)) continue;
    if (!Array.isArray(table) && Object.getPrototypeOf(table) !== Object.prototype)
      Object.setPrototypeOf(table, Object.prototype);
    for (const value of Object.values(table) as unknown[]) {
      if (typeof value === 'object' && value !== null) tables.push(value);
    }
  }
};

/** @throws {MalformedMessageError} its properties could not be read */
export const checkReadable = ({ problem }: Delivery): void => {
  if (problem !== undefined) throw new MalformedMessageError('properties', `can not be read: ${problem}`);
};
