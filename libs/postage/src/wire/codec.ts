import { EncodingError, InvalidOptionError, MalformedMessageError } from '../errors.js';
import { parseBody, type MessageBody } from './body.js';
import type { Encoder } from './encoder.js';
import { JsonEncoder } from './json-encoder.js';

export interface CodecOptions {
  /**
   * Encodes everything that is sent, and decodes what comes without a content type, as Python Postage's replies do.
   * @default new JsonEncoder()
   */
  readonly encoder?: Encoder | undefined;
  /** Decode the other content types that are understood. @default [] */
  readonly others?: readonly Encoder[] | undefined;
  /**
   * The largest body, in bytes, that is sent or decoded. RabbitMQ 4 refuses more than 16 MiB unless configured, and
   * closes the channel over it.
   * @default 16_777_216 (16 MiB)
   * @see https://www.rabbitmq.com/docs/configure `max_message_size`
   */
  readonly maxBytes?: number | undefined;
}

/** Bodies to bytes and back: picks the encoder, limits the size, turns whatever an encoder throws into our errors. */
export class Codec {
  readonly #encoder: Encoder;
  readonly #byContentType: ReadonlyMap<string, Encoder>;
  readonly #maxBytes: number;
  readonly #options: CodecOptions;

  /** @throws {InvalidOptionError} `maxBytes` is not a positive integer, or two encoders have the same content type */
  constructor(options: CodecOptions = {}) {
    this.#options = options;
    this.#encoder = options.encoder ?? new JsonEncoder();
    this.#byContentType = index([this.#encoder, ...(options.others ?? [])]);
    this.#maxBytes = options.maxBytes ?? 16 * 1024 * 1024;
    if (!Number.isSafeInteger(this.#maxBytes) || this.#maxBytes < 1) {
      throw new InvalidOptionError('maxBytes', 'must be a positive integer');
    }
  }

  /** The content type of everything that `encode` gives. */
  get contentType(): string {
    return this.#encoder.contentType;
  }

  /**
   * Encodes a body. It is not checked to be a message: `forward` sends a body as it is.
   * @throws {EncodingError} the encoder can not write it, or it is larger than `maxBytes`
   */
  encode(body: unknown): Buffer {
    const bytes = this.#encodeAny(body);
    if (bytes.length <= this.#maxBytes) return bytes;
    const cause = new RangeError(`${bytes.length} bytes are more than the limit of ${this.#maxBytes}`);
    throw new EncodingError(this.contentType, { cause });
  }

  /**
   * The codec for the reply to a request with this content type: it writes what the caller writes, so that a caller
   * with another encoder than our default can read the answer. Our default where the request has no content type, or
   * one that is not understood.
   */
  forReplyTo(contentType: string | undefined): Pick<Codec, 'contentType' | 'encode'> {
    const encoder = this.#lookUp(contentType ?? '') ?? this.#encoder;
    return encoder === this.#encoder ? this : new Codec({ encoder, maxBytes: this.#maxBytes });
  }

  /**
   * Decodes a message, whatever the sender made of it.
   *
   * Content types are compared without case and parameters. A charset is ignored: JSON is UTF-8.
   * @throws {MalformedMessageError} too large, unknown content type, not decodable, no message; it throws nothing else
   */
  decodeBody(bytes: Buffer, contentType: string | undefined): MessageBody {
    return parseBody(this.decode(bytes, contentType));
  }

  /**
   * Decodes a value without asking whether it is a message.
   * @throws {MalformedMessageError} too large, unknown content type, or not decodable
   */
  decode(bytes: Buffer, contentType: string | undefined): unknown {
    if (bytes.length > this.#maxBytes) {
      throw new MalformedMessageError(
        'body',
        `has ${bytes.length} bytes, more than the limit of ${this.#maxBytes}`,
      );
    }
    const encoder = this.#encoderFor(contentType);
    try {
      return encoder.decode(bytes);
    } catch (cause) {
      if (cause instanceof MalformedMessageError) throw cause;
      throw new MalformedMessageError('body', `can not be decoded as ${encoder.contentType}`, { cause });
    }
  }

  /** A codec that reads what this one reads, and writes with another encoder. */
  writingWith(encoder: Encoder): Codec {
    if (encoder === this.#encoder) return this;
    const mediaType = mediaTypeOf(encoder.contentType);
    const others = [...this.#byContentType]
      .filter(([known]) => known !== mediaType)
      .map(([, other]) => other);
    return new Codec({ ...this.#options, encoder, others });
  }

  #encodeAny(body: unknown): Buffer {
    try {
      return this.#encoder.encode(body);
    } catch (cause) {
      if (cause instanceof EncodingError) throw cause;
      throw new EncodingError(this.contentType, { cause });
    }
  }

  /** Nearly always it is written as we write it. */
  #lookUp(contentType: string): Encoder | undefined {
    const exact = this.#byContentType.get(contentType);
    if (exact !== undefined) return exact;
    const mediaType = mediaTypeOf(contentType);
    return mediaType === '' ? this.#encoder : this.#byContentType.get(mediaType);
  }

  #encoderFor(contentType: string | undefined): Encoder {
    const encoder = this.#lookUp(contentType ?? '');
    if (encoder !== undefined) return encoder;
    const known = [...this.#byContentType.keys()].join(', ');
    throw new MalformedMessageError(
      'content_type',
      `${JSON.stringify(contentType)} is not understood, only ${known}`,
    );
  }
}

const mediaTypeOf = (contentType: string): string =>
  (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();

const index = (encoders: readonly Encoder[]): ReadonlyMap<string, Encoder> => {
  const byContentType = new Map<string, Encoder>();
  for (const encoder of encoders) {
    const mediaType = mediaTypeOf(encoder.contentType);
    if (byContentType.has(mediaType)) {
      throw new InvalidOptionError('others', `has a second encoder for ${mediaType}`);
    }
    byContentType.set(mediaType, encoder);
  }
  return byContentType;
};
