import { createSecureContext, type ConnectionOptions as TlsOptions } from 'node:tls';
import { InvalidOptionError } from '../errors.js';
import { Endpoint, type ResolvedConnection } from './endpoint.js';
import { parseUrl, type UrlParts } from './url.js';

/**
 * How to reach RabbitMQ. What is absent here is read from the environment, then from the defaults:
 * `POSTAGE_URL` (only when none of `url`, `urls` and `host` is given), `POSTAGE_HOST`, `POSTAGE_PORT`, `POSTAGE_VHOST`, `POSTAGE_USER`,
 * `POSTAGE_PASSWORD`; localhost, 5672 (5671 with TLS), `/`, guest, guest.
 * A field given here wins over the same part of a URL.
 */
export interface ConnectionOptions {
  /** `amqp://` or `amqps://`; user, password and vhost percent-encoded where they hold `/ @ % :`. */
  readonly url?: string | undefined;
  /** Several addresses of one cluster: tried in random order until one answers. */
  readonly urls?: readonly string[] | undefined;
  /** @default 'localhost' */
  readonly host?: string | undefined;
  /** @default 5672, or 5671 with TLS */
  readonly port?: number | undefined;
  /** As it is: not percent-encoded. @default 'guest' */
  readonly user?: string | undefined;
  /** As it is: not percent-encoded. @default 'guest' */
  readonly password?: string | undefined;
  /** As it is: not percent-encoded. @default '/' */
  readonly vhost?: string | undefined;
  /** `true`, or options handed to `tls.connect` (ca, cert, key, servername, ...). @default TLS when the URL says amqps */
  readonly tls?: boolean | TlsOptions | undefined;
  /** 0 turns heartbeats off. @default 15 @see https://www.rabbitmq.com/docs/heartbeats */
  readonly heartbeatSeconds?: number | undefined;
  /** Limit for TCP, TLS and AMQP handshake together. @default 10_000 */
  readonly connectTimeoutMs?: number | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
const DEFAULTS = {
  host: 'localhost',
  vhost: '/',
  user: 'guest',
  password: 'guest',
  heartbeatSeconds: 15,
  connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_MS,
} as const;
/** The names of all connection options. */
export const CONNECTION_OPTIONS = [
  'url',
  'urls',
  'host',
  'port',
  'user',
  'password',
  'vhost',
  'tls',
  'heartbeatSeconds',
  'connectTimeoutMs',
] as const satisfies readonly (keyof ConnectionOptions)[];

const KNOWN = new Set<string>(CONNECTION_OPTIONS);

/**
 * Options, environment and defaults as one complete answer. `warn` hears of deprecated variables.
 * @throws {InvalidOptionError} an option is unknown or wrong; the text never holds a password
 */
export const resolveConnection = (
  given: ConnectionOptions = {},
  environment: Environment = process.env,
  warn: (text: string) => void = () => undefined,
): ResolvedConnection => {
  checkKnown(given);
  const urls = urlsOf(given, environment);
  const fallback = fromEnvironment(environment, warn);
  const parsed = urls.map(({ text, option }) => parseUrl(text, option));
  const [first = {}, ...rest] = parsed;
  const endpoint = (url: UrlParts): Endpoint => resolveEndpoint(given, url, fallback);
  return {
    endpoints: [endpoint(first), ...rest.map(endpoint)],
    tls: typeof given.tls === 'object' ? checkTls(given.tls) : {},
    heartbeatSeconds: count(
      'heartbeatSeconds',
      given.heartbeatSeconds ?? first.heartbeatSeconds ?? DEFAULTS.heartbeatSeconds,
      0,
    ),
    connectTimeoutMs: count(
      'connectTimeoutMs',
      given.connectTimeoutMs ?? first.connectTimeoutMs ?? DEFAULTS.connectTimeoutMs,
      1,
    ),
  };
};

type Fallback = Omit<UrlParts, 'protocol'>;

const resolveEndpoint = (given: ConnectionOptions, url: UrlParts, fallback: Fallback): Endpoint => {
  const secure = given.tls === undefined ? url.protocol === 'amqps' : given.tls !== false;
  if (url.protocol === 'amqps' && given.tls === false) {
    throw new InvalidOptionError(
      'connection.tls',
      'is false, but the URL says amqps. Use an amqp:// URL, or leave tls out.',
    );
  }
  return new Endpoint({
    protocol: secure ? 'amqps' : 'amqp',
    host: text('host', given.host ?? url.host ?? fallback.host ?? DEFAULTS.host),
    port: port(given.port ?? url.port ?? fallback.port ?? (secure ? 5671 : 5672)),
    user: text('user', given.user ?? url.user ?? fallback.user ?? DEFAULTS.user),
    password: text(
      'password',
      given.password ?? url.password ?? fallback.password ?? DEFAULTS.password,
      true,
    ),
    vhost: short(text('vhost', given.vhost ?? url.vhost ?? fallback.vhost ?? DEFAULTS.vhost)),
  });
};

const urlsOf = (given: ConnectionOptions, environment: Environment): { text: string; option: string }[] => {
  if (given.url !== undefined && given.urls !== undefined) {
    throw new InvalidOptionError(
      'connection.urls',
      'can not be combined with connection.url. Put all addresses into urls.',
    );
  }
  if (given.urls !== undefined) {
    if (!Array.isArray(given.urls) || given.urls.length === 0) {
      throw new InvalidOptionError('connection.urls', 'must be a list of at least one URL.');
    }
    return given.urls.map((url: string, index) => ({ text: url, option: `connection.urls[${index}]` }));
  }
  if (given.url !== undefined) return [{ text: given.url, option: 'connection.url' }];
  const fromEnv = present(environment['POSTAGE_URL']);
  return fromEnv === undefined || given.host !== undefined ? [] : [{ text: fromEnv, option: 'POSTAGE_URL' }];
};

const fromEnvironment = (environment: Environment, warn: (text: string) => void): Fallback => {
  const deprecated = (name: string, old: string): string | undefined => {
    const value = present(environment[name]);
    const oldValue = present(environment[old]);
    if (value === undefined && oldValue !== undefined) warn(`${old} is deprecated: use ${name} instead.`);
    return value ?? oldValue;
  };
  const portText = present(environment['POSTAGE_PORT']);
  if (portText !== undefined && !/^\d{1,5}$/.test(portText)) {
    throw new InvalidOptionError('POSTAGE_PORT', 'must be a port number.');
  }
  return {
    host: present(environment['POSTAGE_HOST']),
    port: portText === undefined ? undefined : Number(portText),
    vhost: present(environment['POSTAGE_VHOST']),
    user: deprecated('POSTAGE_USER', 'POSTAGE_RMQ_USER'),
    password: deprecated('POSTAGE_PASSWORD', 'POSTAGE_RMQ_PASSWORD'),
  };
};

/** An empty variable counts as absent, as `VAR= command` in a shell means it. */
const present = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

const checkKnown = (given: ConnectionOptions): void => {
  const unknown = Object.keys(given).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) {
    throw new InvalidOptionError(
      `connection.${unknown}`,
      `is not an option. Known options: ${[...KNOWN].join(', ')}.`,
    );
  }
};

/** Certificates and keys that can not be read, or do not fit, are known before anybody connects. */
const checkTls = (given: TlsOptions): TlsOptions => {
  try {
    createSecureContext(given);
    return given;
  } catch (error) {
    // Node's own texts repeat what was given, where that was of a wrong type.
    const [problem] = error instanceof Error ? error.message.split('. Received') : [];
    throw new InvalidOptionError('connection.tls', `can not be used: ${problem}.`);
  }
};

const text = (name: string, value: unknown, mayBeEmpty = false): string => {
  if (typeof value !== 'string' || (value === '' && !mayBeEmpty)) {
    throw new InvalidOptionError(`connection.${name}`, 'must be a text, and not empty.');
  }
  return value;
};

/** A short string of AMQP. */
const short = (vhost: string): string => {
  if (Buffer.byteLength(vhost) <= 255) return vhost;
  throw new InvalidOptionError('connection.vhost', 'must have at most 255 bytes.');
};

const port = (value: unknown): number => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 65_535) {
    throw new InvalidOptionError(
      'connection.port',
      `must be a whole number from 1 to 65535, not ${shown(value)}.`,
    );
  }
  return value;
};

const count = (name: string, value: unknown, least: number): number => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least) {
    throw new InvalidOptionError(
      `connection.${name}`,
      `must be a whole number of at least ${least}, not ${shown(value)}.`,
    );
  }
  return value;
};

/** Whoever mistakes one field for another may have given anything, a password too. */
const shown = (value: unknown): string => (typeof value === 'number' ? String(value) : `a ${typeof value}`);
