import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Codec } from './codec.js';
import type { Encoder } from './encoder.js';
import { JsonEncoder } from './json-encoder.js';
import { MessageCommand, MessageStatus } from './message.js';

const msgpack: Encoder = {
  contentType: 'application/x-msgpack',
  encode: (value) => Buffer.from(encode(value)),
  decode: (bytes) => decode(bytes),
};
const { body } = new MessageCommand('echo', { values: [1, null, 'é'] }).fingerprint({ pid: '1' });

const broken = (problem: unknown): Encoder => ({
  contentType: 'application/json',
  encode: () => {
    throw problem;
  },
  decode: () => {
    throw problem;
  },
});
const malformed = (field: string): Error =>
  expect.objectContaining({ code: 'MALFORMED_MESSAGE', field }) as Error;

describe('Codec', () => {
  it('writes JSON by default, and reads it back', () => {
    const codec = new Codec();
    expect(codec.contentType).toBe('application/json');
    expect(codec.decodeBody(codec.encode(body), codec.contentType)).toEqual(body);
  });

  it.each([
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    ' application/json ;q=1',
    '',
    undefined,
  ])('knows JSON by the content type %j', (contentType) => {
    const codec = new Codec({ encoder: new JsonEncoder(), others: [msgpack] });
    expect(codec.decodeBody(codec.encode(body), contentType)).toEqual(body);
  });

  it('reads several encodings and writes one', () => {
    const codec = new Codec({ encoder: msgpack, others: [new JsonEncoder()] });
    expect(codec.contentType).toBe('application/x-msgpack');
    expect(decode(codec.encode(body))).toEqual(body);
    expect(codec.decodeBody(codec.encode(body), 'application/x-msgpack')).toEqual(body);
    expect(codec.decodeBody(codec.encode(body), undefined)).toEqual(body);
    expect(codec.decodeBody(new JsonEncoder().encode(body), 'application/json')).toEqual(body);
  });

  it('answers in the encoding of the request, or in its own', () => {
    const codec = new Codec({ others: [msgpack], maxBytes: 200 });
    const reply = codec.forReplyTo('application/x-msgpack');
    expect(reply.contentType).toBe('application/x-msgpack');
    expect(decode(reply.encode(body))).toEqual(body);
    expect(() => reply.encode('x'.repeat(200))).toThrow(expect.objectContaining({ code: 'ENCODING_FAILED' }));
    for (const contentType of [undefined, '', 'application/json', 'text/xml']) {
      expect(codec.forReplyTo(contentType).contentType).toBe('application/json');
    }
  });

  it('refuses a content type that it does not know', () => {
    const codec = new Codec();
    const bytes = codec.encode(body);
    for (const contentType of ['text/xml', 'application/x-msgpack', 'constructor']) {
      expect(() => codec.decodeBody(bytes, contentType)).toThrow(malformed('content_type'));
    }
    expect(() => codec.decodeBody(bytes, 'text/xml')).toThrow(
      'content_type "text/xml" is not understood, only application/json',
    );
  });

  it('refuses what is too large before it is parsed, in both directions', () => {
    const untouched = broken(new Error('it was parsed'));
    const codec = new Codec({ encoder: untouched, maxBytes: 10 });
    expect(() => codec.decodeBody(Buffer.alloc(11), undefined)).toThrow(
      'body has 11 bytes, more than the limit of 10',
    );

    const small = new Codec({ maxBytes: 10 });
    expect(small.encode('12345678')).toHaveLength(10);
    expect(small.decode(small.encode('12345678'), undefined)).toBe('12345678');
    expect(() => small.encode('123456789')).toThrow(
      'the message can not be encoded as application/json: 11 bytes are more than the limit of 10',
    );
  });

  it('limits bodies to 16 MiB by default', () => {
    const codec = new Codec();
    expect(() => codec.encode('x'.repeat(16 * 1024 * 1024 - 2))).not.toThrow();
    expect(() => codec.encode('x'.repeat(16 * 1024 * 1024 - 1))).toThrow(/limit of 16777216/);
  });

  it('sends a body that is no message, but does not take one', () => {
    const codec = new Codec();
    const bytes = codec.encode({ any: 'body' });
    expect(codec.decode(bytes, undefined)).toEqual({ any: 'body' });
    expect(() => codec.decodeBody(bytes, undefined)).toThrow(malformed('body.type'));
  });

  it('wraps whatever an encoder throws', () => {
    for (const problem of [new RangeError('boom'), 'text', undefined]) {
      const codec = new Codec({ encoder: broken(problem) });
      expect(() => codec.encode(body)).toThrow(
        expect.objectContaining({ code: 'ENCODING_FAILED', cause: problem }),
      );
      expect(() => codec.decodeBody(Buffer.from('{}'), undefined)).toThrow(
        expect.objectContaining({ code: 'MALFORMED_MESSAGE', cause: problem }),
      );
    }
  });

  it("passes the encoder's own errors on", () => {
    const codec = new Codec();
    expect(() => codec.encode(new MessageStatus('x').fingerprint({ at: NaN }).body)).toThrow(
      'the message can not be encoded as application/json: NaN (key "at") has no form in JSON',
    );
    expect(() => codec.decodeBody(Buffer.alloc(0), undefined)).toThrow('body is empty');
  });

  it('throws nothing but MalformedMessageError, whatever arrives', () => {
    const codec = new Codec({ others: [msgpack] });
    const almost = fc.record(
      {
        type: fc.anything(),
        name: fc.anything(),
        category: fc.constantFrom('rpc', 'message', 1),
        content: fc.anything(),
      },
      { requiredKeys: [] },
    );
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.json().map((text) => Buffer.from(text)),
      fc.object().map((value) => Buffer.from(encode(value, { ignoreUndefined: true, useBigInt64: true }))),
      almost.map((value) => {
        try {
          return Buffer.from(JSON.stringify(value));
        } catch {
          return Buffer.from('{}');
        }
      }),
    );
    const contentTypes = fc.oneof(
      fc.constantFrom(undefined, 'application/json', 'application/x-msgpack'),
      fc.string(),
    );
    fc.assert(
      fc.property(bytes, contentTypes, (noise, contentType) => {
        try {
          const decoded = codec.decodeBody(Buffer.from(noise), contentType);
          expect(['message', 'rpc']).toContain(decoded.category);
        } catch (error) {
          expect(error).toMatchObject({ code: 'MALFORMED_MESSAGE' });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('refuses options that make no sense', () => {
    expect(() => new Codec({ maxBytes: 0 })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option: 'maxBytes' }),
    );
    expect(() => new Codec({ others: [new JsonEncoder()] })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option: 'others' }),
    );
  });
});
