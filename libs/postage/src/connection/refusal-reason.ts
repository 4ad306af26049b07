import { once } from 'node:events';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectSecure, type ConnectionOptions as TlsOptions } from 'node:tls';
import type { Endpoint } from './endpoint.js';

/** What the broker said, or that it let us in after all; undefined: nobody knows. */
export type Reason = { readonly kind: 'refused'; readonly text: string } | { readonly kind: 'admitted' };

/** Class and method of AMQP's connection methods, as one number. */
const METHOD = {
  START: 0x000a_000a,
  START_OK: 0x000a_000b,
  TUNE: 0x000a_001e,
  TUNE_OK: 0x000a_001f,
  OPEN: 0x000a_0028,
  OPEN_OK: 0x000a_0029,
  CLOSE: 0x000a_0032,
} as const;
const HEADER = Buffer.from('AMQP\0\0\x09\x01', 'latin1');
const FRAME_END = 0xce;
/** Of a frame: type, channel, size before its payload, one byte behind it. */
const [BEFORE, BEHIND] = [7, 1];
/** Nothing of a handshake is larger. */
const MAX_BYTES = 1024 * 1024;

/**
 * Asks a broker by hand why it refuses a virtual host. When the broker closes instead of opening, amqplib drops the text,
 * which alone tells a host that does not exist from one that is full or still starting.
 */
export const askWhyRefused = async (
  endpoint: Endpoint,
  tls: TlsOptions,
  signal: AbortSignal,
): Promise<Reason | undefined> => {
  const socket = open(endpoint, tls, signal);
  // What goes wrong ends the conversation.
  socket.on('error', () => undefined);
  try {
    await once(socket, endpoint.protocol === 'amqps' ? 'secureConnect' : 'connect');
    return await converse(socket, endpoint);
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
};

const open = ({ protocol, host, port }: Endpoint, tls: TlsOptions, signal: AbortSignal): Socket => {
  if (protocol === 'amqp') return connectPlain({ host, port, signal });
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const options = { ...servername, ...tls, host, port, signal };
  return connectSecure(options);
};

const converse = async (socket: Socket, endpoint: Endpoint): Promise<Reason | undefined> => {
  socket.write(HEADER);
  for await (const { method, args } of methodsOf(socket)) {
    if (method === METHOD.START) socket.write(frame(METHOD.START_OK, startOk(endpoint)));
    else if (method === METHOD.TUNE) {
      // Whatever the broker proposes.
      socket.write(Buffer.concat([frame(METHOD.TUNE_OK, args), frame(METHOD.OPEN, openWith(endpoint))]));
    } else if (method === METHOD.CLOSE) {
      const length = args.readUInt8(2);
      return { kind: 'refused', text: args.toString('utf8', 3, 3 + length) };
    } else return method === METHOD.OPEN_OK ? { kind: 'admitted' } : undefined;
  }
  return undefined;
};

interface Method {
  readonly method: number;
  readonly args: Buffer;
}

async function* methodsOf(socket: AsyncIterable<Buffer>): AsyncGenerator<Method> {
  let rest = Buffer.alloc(0);
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk]);
    if (rest.length > MAX_BYTES) return;
    while (rest.length > BEFORE) {
      const end = BEFORE + rest.readUInt32BE(3);
      if (rest.length < end + BEHIND) break;
      yield { method: rest.readUInt32BE(BEFORE), args: rest.subarray(BEFORE + 4, end) };
      rest = rest.subarray(end + BEHIND);
    }
  }
}

const frame = (method: number, args: Buffer): Buffer => {
  const head = Buffer.alloc(BEFORE + 4);
  head.writeUInt8(1, 0);
  head.writeUInt32BE(4 + args.length, 3);
  head.writeUInt32BE(method, BEFORE);
  return Buffer.concat([head, args, Buffer.from([FRAME_END])]);
};

const short = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
};

const long = (bytes: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

/** An empty table of properties, and user and password as amqplib sends them. */
const startOk = (endpoint: Endpoint): Buffer =>
  Buffer.concat([
    long(Buffer.alloc(0)),
    short('PLAIN'),
    long(Buffer.from(`\0${endpoint.user}\0${endpoint.password()}`)),
    short('en_US'),
  ]);

/** Two reserved fields follow. */
const openWith = ({ vhost }: Endpoint): Buffer => Buffer.concat([short(vhost), Buffer.from([0, 0])]);
