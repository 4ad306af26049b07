import { InvalidOptionError } from '../errors.js';

/** The parts that a URL names; what it leaves out stays undefined. */
export interface UrlParts {
  readonly protocol?: 'amqp' | 'amqps' | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly vhost?: string | undefined;
  readonly heartbeatSeconds?: number | undefined;
  readonly connectTimeoutMs?: number | undefined;
}

/**
 * Reads an AMQP URI. A missing or empty path leaves the vhost open (amqplib and most clients take `/` then).
 * @param option what to call the URL in an error; its text is never repeated, it may hold a password
 * @throws {InvalidOptionError}
 * @see https://www.rabbitmq.com/docs/uri-spec and https://www.rabbitmq.com/docs/uri-query-parameters
 */
export const parseUrl = (text: string, option: string): UrlParts => {
  const url = toUrl(text, option);
  const protocol = url.protocol.slice(0, -1);
  if (protocol !== 'amqp' && protocol !== 'amqps') {
    throw new InvalidOptionError(option, `must begin with amqp:// or amqps://, not ${url.protocol}//.`);
  }
  if (!hasAuthority(text) || isTorn(url)) throw notEncoded(option);
  const decode = (part: string, name: string): string | undefined => decoded(part, name, option);
  return {
    protocol,
    host: decode(url.hostname.replace(/^\[|\]$/g, ''), 'host'),
    port: url.port === '' ? undefined : Number(url.port),
    user: decode(url.username, 'user'),
    password: decode(url.password, 'password'),
    vhost: decode(url.pathname.replace(/^\//, ''), 'vhost'),
    ...parseQuery(url.searchParams, option),
  };
};

const toUrl = (text: unknown, option: string): URL => {
  try {
    return new URL(String(text));
  } catch {
    // Node's error carries the whole URL as `input`: it must not travel on as a cause.
    throw notEncoded(option);
  }
};

const notEncoded = (option: string): InvalidOptionError =>
  new InvalidOptionError(
    option,
    'is not a URL of the form amqp://user:password@host:5672/vhost. Percent-encode "/", "@", ":", "%", "?" and "#" in user, password and vhost.',
  );

/** Without the slashes all of it would be a virtual host, password included, and would be logged as one. */
const hasAuthority = (text: string): boolean => /^\s*amqps?:\/\//i.test(text);

/** A password with a raw "/", "?" or "#" ends the host's part early: its rest would be taken for something to show. */
const isTorn = ({ pathname, search, hash }: URL): boolean =>
  hash !== '' || `${pathname}${search}`.includes('@');

const decoded = (part: string, name: string, option: string): string | undefined => {
  if (part === '') return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    throw new InvalidOptionError(
      option,
      `its ${name} holds a "%" that begins no percent-encoding. Write "%" as "%25".`,
    );
  }
};

const parseQuery = (query: URLSearchParams, option: string): Partial<UrlParts> => {
  const parts: { heartbeatSeconds?: number; connectTimeoutMs?: number } = {};
  for (const [key, value] of query) {
    const number = /^\d+$/.test(value) ? Number(value) : undefined;
    if (key === 'heartbeat' && number !== undefined) parts.heartbeatSeconds = number;
    else if (key === 'connection_timeout' && number !== undefined) parts.connectTimeoutMs = number;
    else {
      throw new InvalidOptionError(
        option,
        `has the query parameter "${key}", which is unknown or not a whole number. Known: heartbeat (seconds), connection_timeout (milliseconds).`,
      );
    }
  }
  return parts;
};
