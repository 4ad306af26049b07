import { ConnectionError, InvalidOptionError, PostageError } from '../errors.js';
import type { ResolvedConnection } from './endpoint.js';
import { DEFAULT_CONNECT_TIMEOUT_MS, resolveConnection, type ConnectionOptions } from './options.js';
import { withinLimit } from './time-limit.js';

/** Connection options, or a function asked for them at every connect (rotating credentials, service discovery). */
export type ConnectionProvider = () => ConnectionOptions | Promise<ConnectionOptions>;

/** Where a driver gets its connection options from: fixed and checked once, or asked for at each connect. */
export class ConnectionSource {
  readonly #source: ConnectionProvider | ResolvedConnection;
  readonly #warn: ((text: string) => void) | undefined;
  /** A provider itself says how long a connect may take. */
  #limitMs = DEFAULT_CONNECT_TIMEOUT_MS;

  /** @throws {InvalidOptionError} options given as an object are wrong */
  constructor(source: ConnectionOptions | ConnectionProvider, warn?: (text: string) => void) {
    this.#warn = warn;
    this.#source = typeof source === 'function' ? source : resolveConnection(source, process.env, warn);
  }

  /** @throws {ConnectionError} PROVIDER_FAILED: the function threw, did not answer in time, or gave what is of no use */
  async resolve(signal: AbortSignal | undefined): Promise<ResolvedConnection> {
    const source = this.#source;
    if (typeof source !== 'function') return source;
    const limitMs = this.#limitMs;
    const text = `it has not answered within ${limitMs} ms`;
    try {
      const given: unknown = await withinLimit({ limitMs, text, signal }, async () => source());
      const resolved = resolveConnection(asOptions(given), process.env, this.#warn);
      this.#limitMs = resolved.connectTimeoutMs;
      return resolved;
    } catch (error) {
      const cause = withoutFacts(error);
      throw new ConnectionError(
        'PROVIDER_FAILED',
        `the function that gives the connection options failed: ${cause.message}`,
        { cause },
      );
    }
  }
}

const asOptions = (given: unknown): ConnectionOptions => {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given;
  throw new InvalidOptionError('connection', 'must be an object with connection options.');
};

/** Errors of HTTP clients carry the whole request, tokens included: only what they say goes along, and where. */
const withoutFacts = (error: unknown, depth = 0): Error => {
  if (error instanceof PostageError) return error;
  if (!(error instanceof Error))
    return new Error(typeof error === 'string' ? error : `a thrown ${typeof error}`);
  const hasCause = error.cause instanceof Error && depth < MAX_CAUSES;
  const plain = new Error(
    error.message,
    hasCause ? { cause: withoutFacts(error.cause, depth + 1) } : undefined,
  );
  Object.defineProperty(plain, 'name', { value: error.name, configurable: true });
  if (error.stack !== undefined)
    Object.defineProperty(plain, 'stack', { value: error.stack, configurable: true });
  return plain;
};

const MAX_CAUSES = 5;
