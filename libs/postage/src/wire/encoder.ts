/**
 * Turns bodies into bytes and back. Postage's JsonEncoder is the default; any other takes its place:
 *
 * ```ts
 * const msgpackEncoder: Encoder = {
 *   contentType: 'application/x-msgpack',
 *   encode: (value) => Buffer.from(msgpack.encode(value)),
 *   decode: (bytes) => msgpack.decode(bytes),
 * };
 * ```
 * Whatever an encoder throws, the `Codec` turns into an `EncodingError` or a `MalformedMessageError`: an encoder can
 * not take a consumer down. It should refuse or drop keys named `__proto__`, and refuse absurd nesting.
 */
export interface Encoder {
  /** The AMQP content type that goes with the bytes, without parameters, for example `application/json`. */
  readonly contentType: string;
  /** The bytes of a body. */
  encode(value: unknown): Buffer;
  /** The body in the bytes. Needs not check that it is a message. */
  decode(bytes: Buffer): unknown;
}
