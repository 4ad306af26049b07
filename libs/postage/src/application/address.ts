import { InvalidOptionError } from '../errors.js';

/** The eight forms of an address, and what each is made of. */
export type AddressParts =
  /** Every component of that name. */
  | { readonly kind: 'name'; readonly name: string }
  /** One of them, in turn. */
  | { readonly kind: 'nameRoundRobin'; readonly name: string }
  /** Every component on that host, whatever its name. */
  | { readonly kind: 'host'; readonly host: string }
  /** Every component of that name on that host. */
  | { readonly kind: 'nameAtHost'; readonly name: string; readonly host: string }
  /** One of them, in turn. */
  | { readonly kind: 'nameAtHostRoundRobin'; readonly name: string; readonly host: string }
  /** The one process. */
  | { readonly kind: 'unique'; readonly pid: string; readonly host: string }
  /** Every component of that name in that group. */
  | { readonly kind: 'group'; readonly name: string; readonly group: string }
  /** One of them, in turn. */
  | { readonly kind: 'groupRoundRobin'; readonly name: string; readonly group: string };

/** AMQP's limit for routing keys and names of queues. @see https://www.rabbitmq.com/docs/queues#names */
const MAX_BYTES = 255;
const ROUND_ROBIN = '/rr';

/**
 * Whom a message is for: a routing key of the applications' exchange, as data.
 *
 * ```ts
 * Address.name('monitor').key; // 'monitor': every monitor
 * Address.roundRobin('monitor').key; // 'monitor/rr': one of them, in turn
 * Address.parse('monitor#eu/rr'); // Address.groupRoundRobin('monitor', 'eu')
 * ```
 * @see Postage's GenericApplication: docs/applications.md
 */
export class Address {
  readonly parts: AddressParts;
  /** The routing key. */
  readonly key: string;

  private constructor(parts: AddressParts) {
    this.parts = Object.freeze(parts);
    this.key = checkLength(keyOf(parts), 'address');
  }

  /** Every component of that name. @throws {InvalidOptionError} a part holds `/`, `@` or `#`, is empty, or the key is too long */
  static name(name: string): Address {
    return new Address({ kind: 'name', name: checkName(name) });
  }

  /** One component of that name, in turn. */
  static roundRobin(name: string): Address {
    return new Address({ kind: 'nameRoundRobin', name: checkName(name) });
  }

  /** Every component on that host. */
  static host(host: string): Address {
    return new Address({ kind: 'host', host: checkPart(host, 'host') });
  }

  /** Every component of that name on that host. */
  static nameAtHost(name: string, host: string): Address {
    return new Address({ kind: 'nameAtHost', name: checkName(name), host: checkPart(host, 'host') });
  }

  /** One component of that name on that host, in turn. */
  static nameAtHostRoundRobin(name: string, host: string): Address {
    return new Address({
      kind: 'nameAtHostRoundRobin',
      name: checkName(name),
      host: checkPart(host, 'host'),
    });
  }

  /** The one process. */
  static unique(pid: number | string, host: string): Address {
    return new Address({ kind: 'unique', pid: checkPid(pid, 'pid'), host: checkPart(host, 'host') });
  }

  /** Every component of that name in that group. */
  static group(name: string, group: string): Address {
    return new Address({ kind: 'group', name: checkName(name), group: checkPart(group, 'group') });
  }

  /** One component of that name in that group, in turn. */
  static groupRoundRobin(name: string, group: string): Address {
    return new Address({ kind: 'groupRoundRobin', name: checkName(name), group: checkPart(group, 'group') });
  }

  /** Reads a routing key. @throws {InvalidOptionError} it is none of the eight forms */
  static parse(key: string): Address {
    if (typeof key !== 'string') throw new InvalidOptionError('address', 'must be a text.');
    const isRoundRobin = key.endsWith(ROUND_ROBIN);
    const bare = isRoundRobin ? key.slice(0, -ROUND_ROBIN.length) : key;
    const address = isRoundRobin ? Address.#parseRoundRobin(bare) : Address.#parseFanOut(bare);
    if (address) return address;
    throw new InvalidOptionError(
      'address',
      `${JSON.stringify(key)} is no address. The forms are name, name/rr, @host, name@host, name@host/rr, pid@host, name#group and name#group/rr.`,
    );
  }

  static #parseRoundRobin(bare: string): Address | undefined {
    const [name, separator, rest = ''] = split(bare);
    if (separator === undefined) return Address.roundRobin(name);
    if (separator === '#') return Address.groupRoundRobin(name, rest);
    return /^\d*$/.test(name) ? undefined : Address.nameAtHostRoundRobin(name, rest);
  }

  static #parseFanOut(bare: string): Address | undefined {
    const [name, separator, rest = ''] = split(bare);
    if (separator === undefined) return Address.name(name);
    if (separator === '#') return Address.group(name, rest);
    if (name === '') return Address.host(rest);
    return /^\d+$/.test(name) ? Address.unique(name, rest) : Address.nameAtHost(name, rest);
  }

  /** Whether one of several gets it, not all. */
  get isRoundRobin(): boolean {
    return this.key.endsWith(ROUND_ROBIN);
  }

  toString(): string {
    return this.key;
  }

  toJSON(): string {
    return this.key;
  }
}

/** At the first `@` or `#`; the part behind it must have neither. */
const split = (text: string): [string, ('@' | '#')?, string?] => {
  const match = /^([^@#]*)(?:([@#])(.*))?$/s.exec(text);
  const [, before = '', separator, after] = match ?? [];
  return separator === '@' || separator === '#' ? [before, separator, after ?? ''] : [before];
};

const keyOf = (parts: AddressParts): string => {
  switch (parts.kind) {
    case 'name':
      return parts.name;
    case 'nameRoundRobin':
      return `${parts.name}${ROUND_ROBIN}`;
    case 'host':
      return `@${parts.host}`;
    case 'nameAtHost':
      return `${parts.name}@${parts.host}`;
    case 'nameAtHostRoundRobin':
      return `${parts.name}@${parts.host}${ROUND_ROBIN}`;
    case 'unique':
      return `${parts.pid}@${parts.host}`;
    case 'group':
      return `${parts.name}#${parts.group}`;
    case 'groupRoundRobin':
      return `${parts.name}#${parts.group}${ROUND_ROBIN}`;
    default:
      return assertNever(parts);
  }
};

/**
 * A part of an address: not empty, without the characters that separate parts.
 * @throws {InvalidOptionError}
 */
export const checkPart = (value: unknown, option: string): string => {
  if (typeof value !== 'string' || value === '')
    throw new InvalidOptionError(option, 'must be a text that is not empty.');
  const separator = /[/@#]/.exec(value)?.[0];
  if (separator !== undefined)
    throw new InvalidOptionError(
      option,
      `${JSON.stringify(value)} must not have "${separator}" in it: "/", "@" and "#" separate the parts of an address.`,
    );
  // Half of a pair is written as U+FFFD: two of them would become one address.
  if (Buffer.from(value).toString() !== value)
    throw new InvalidOptionError(option, `${JSON.stringify(value)} has half of a surrogate pair in it.`);
  return checkLength(value, option);
};

/** A component's name: `42@host` would be the process 42, or a component "42" on that host. @throws {InvalidOptionError} */
export const checkName = (value: unknown, option = 'name'): string => {
  const name = checkPart(value, option);
  if (!/^\d+$/.test(name)) return name;
  throw new InvalidOptionError(
    option,
    `${JSON.stringify(name)} must not be a number: it would read as a process id.`,
  );
};

/** @throws {InvalidOptionError} */
export const checkPid = (value: unknown, option: string): string => {
  const pid = typeof value === 'number' ? String(value) : value;
  if (typeof pid === 'string' && /^\d+$/.test(pid)) return pid;
  const shown = typeof pid === 'string' ? JSON.stringify(pid) : typeof pid;
  throw new InvalidOptionError(option, `must be a process id, not ${shown}.`);
};

/** @param what the text is, beside its own part @throws {InvalidOptionError} */
export const checkLength = (text: string, option: string, what = ''): string => {
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_BYTES) return text;
  const start = JSON.stringify(`${text.slice(0, 20)}...`);
  throw new InvalidOptionError(
    option,
    `is ${bytes} bytes long in UTF-8${what === '' ? '' : `, ${what}`}, but AMQP allows ${MAX_BYTES}: ${start}.`,
  );
};

const assertNever = (parts: never): never => {
  throw new TypeError(`unknown address ${JSON.stringify(parts)}`);
};
