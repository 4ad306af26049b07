import { InvalidOptionError } from '../errors.js';
import type { MessageProperties, OutgoingMessage } from './port.js';

/** amqplib has one buffer of that size for the properties of a message. */
const ENCODER_BYTES = 65_536;
/** Of a frame that carries properties: its own bytes, and the fields that every such frame has. */
const HEADER_FRAME_BYTES = 8 + 14;

/**
 * Properties that do not fit into one frame end the whole connection: where the broker allows only small ones, such a
 * message is not written at all.
 * @param maxFrameBytes what client and broker have agreed on; undefined: nobody knows
 * @throws {InvalidOptionError}
 */
export const checkFits = ({ properties }: OutgoingMessage, maxFrameBytes: number | undefined): void => {
  if (maxFrameBytes === undefined || maxFrameBytes > ENCODER_BYTES) return;
  const bytes = HEADER_FRAME_BYTES + bytesOf(properties);
  if (bytes <= maxFrameBytes) return;
  throw new InvalidOptionError(
    'headers',
    `take about ${bytes} bytes with the other properties, more than the ${maxFrameBytes} that the broker takes in one frame (frame_max). Put large values into the message itself.`,
  );
};

/**
 * RabbitMQ can not read numbers that are not finite: it crashes the channel, and ends the whole connection.
 * @throws {InvalidOptionError}
 */
export const checkFinite = ({ properties: { headers } }: OutgoingMessage): void => {
  if (headers === undefined) return;
  let budget = MAX_VALUES;
  const open: object[] = [headers];
  for (let table = open.pop(); table !== undefined && budget > 0; table = open.pop()) {
    for (const value of Object.values(table) as unknown[]) {
      budget -= 1;
      if (typeof value === 'number' && !Number.isFinite(value)) {
        throw new InvalidOptionError('headers', `can not be sent: ${value} is no number of AMQP.`);
      }
      if (typeof value === 'object' && value !== null && !Buffer.isBuffer(value)) open.push(value);
    }
  }
};

/** More do not fit into the encoder. */
const MAX_VALUES = ENCODER_BYTES;

/** At most so many, as AMQP encodes them. A number takes up to nine. */
const bytesOf = (properties: MessageProperties): number => {
  let sum = 0;
  const values: unknown[] = [properties];
  while (values.length > 0) {
    const value = values.pop();
    sum += 9;
    if (typeof value === 'string') sum += Buffer.byteLength(value);
    else if (Buffer.isBuffer(value)) sum += value.length;
    else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        sum += Buffer.byteLength(key);
        values.push(item);
      }
    }
    if (sum > ENCODER_BYTES) break;
  }
  return sum;
};

/** Why amqplib could not write a message, by what is wrong with it; nothing of it has been written. */
export const unwritable = (error: unknown): unknown => {
  if (!(error instanceof TypeError || error instanceof RangeError)) return error;
  const field = /^Field '(\w+)' /.exec(error.message)?.[1];
  if (field !== undefined && field !== 'headers')
    return new InvalidOptionError(field, `${error.message}.`, { cause: error });
  return new InvalidOptionError('headers', `can not be sent: ${reasonOf(error)}.`, { cause: error });
};

const reasonOf = ({ message }: Error): string => {
  if (message.includes('encoding buffer'))
    return `they take more than ${ENCODER_BYTES} bytes. Put large values into the message itself`;
  if (message.includes('call stack')) return 'they are nested too deep, or contain themselves';
  return message;
};
