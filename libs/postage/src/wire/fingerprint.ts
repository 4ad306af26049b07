import { hostname, userInfo } from 'node:os';

/** Who a component is, as every message tells it. All strings, pid too. */
export type FingerprintDict = {
  /** The name of the component, null when it has none. */
  readonly name: string | null;
  /** A rough categorisation of the component, for example `application`; null when it has none. */
  readonly type: string | null;
  /** The process id, as a decimal string. */
  readonly pid: string;
  readonly host: string;
  /** The user of the operating system that runs it. */
  readonly user: string;
  /** The RabbitMQ virtual host it works on. */
  readonly vhost: string;
};

/** A fingerprint as it comes off the wire: normally a `FingerprintDict` or `{}`, but any sender can write anything. */
export type FingerprintLike = Readonly<Record<string, unknown>>;

/** The values in the order of Python Postage: name, type, pid, host, user, vhost. */
export type FingerprintTuple = readonly [
  name: string | null,
  type: string | null,
  pid: string,
  host: string,
  user: string,
  vhost: string,
];

/** What a fingerprint asks of the system; given in tests, `nodeSystem` otherwise. */
export interface SystemFacts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  hostname(): string;
  /** The user's name; may throw. @see https://nodejs.org/api/os.html#osuserinfooptions */
  username(): string;
  /** The user's number, undefined where there is no such thing (Windows). */
  uid(): number | undefined;
}

/** Values to use instead of what the system says; absent ones are collected. */
export interface FingerprintParts {
  /** @default null */
  readonly name?: string | null | undefined;
  /** @default null */
  readonly type?: string | null | undefined;
  /** @default the pid of this process */
  readonly pid?: string | undefined;
  /** @default the host name */
  readonly host?: string | undefined;
  /** @default the user's name; `USER`, `LOGNAME` or the user's number where the system knows none, as in containers */
  readonly user?: string | undefined;
  /** @default the virtual host that `POSTAGE_URL` names, else `POSTAGE_VHOST`, else '/' */
  readonly vhost?: string | undefined;
}

export interface FingerprintOptions extends FingerprintParts {
  /** Where the defaults come from. @default this process and `process.env` */
  readonly system?: SystemFacts | undefined;
}

/**
 * Identifies a component on the network, with what the operating system knows of it.
 *
 * ```ts
 * new Fingerprint('echo_send', 'application').asDict();
 * new Fingerprint({ name: 'echo_send', host: 'host-1' }).asDict();
 * ```
 */
export class Fingerprint {
  readonly #dict: FingerprintDict;

  /** Collects the values once: a fingerprint never changes. */
  constructor(
    name?: string | null,
    type?: string | null,
    overrides?: Omit<FingerprintOptions, 'name' | 'type'>,
  );
  constructor(options: FingerprintOptions);
  constructor(
    first?: string | null | FingerprintOptions,
    type?: string | null,
    overrides?: Omit<FingerprintOptions, 'name' | 'type'>,
  ) {
    const isOptions = typeof first === 'object' && first !== null;
    this.#dict = collect(isOptions ? first : { ...overrides, name: first, type });
  }

  /** The fingerprint as plain, frozen data: what `body.fingerprint` carries. */
  asDict(): FingerprintDict {
    return this.#dict;
  }

  /** The values alone, in the order of `asDict()`. */
  asTuple(): FingerprintTuple {
    const { name, type, pid, host, user, vhost } = this.#dict;
    return [name, type, pid, host, user, vhost];
  }
}

const nodeSystem: SystemFacts = {
  env: process.env,
  pid: process.pid,
  hostname,
  username: () => userInfo().username,
  uid: () => process.getuid?.(),
};

const collect = (given: FingerprintOptions): FingerprintDict => {
  const system = given.system ?? nodeSystem;
  return Object.freeze({
    name: given.name ?? null,
    type: given.type ?? null,
    pid: given.pid ?? String(system.pid),
    host: given.host ?? system.hostname(),
    user: given.user ?? userOf(system),
    vhost: given.vhost ?? vhostOf(system.env),
  });
};

/** In a container the uid often has no entry in /etc/passwd, and os.userInfo() throws. */
const userOf = (system: SystemFacts): string => {
  try {
    return system.username();
  } catch {
    return system.env['USER'] || system.env['LOGNAME'] || String(system.uid() ?? 'unknown');
  }
};

/** As a connection made from the same environment would find it. */
const vhostOf = ({ POSTAGE_URL: url, POSTAGE_VHOST: vhost }: SystemFacts['env']): string => {
  const path = url !== undefined && URL.canParse(url) ? new URL(url).pathname.slice(1) : '';
  // A raw "@" there is the end of a password that was not encoded: no connection takes such a URL.
  return unescaped(path.includes('@') ? '' : path) || vhost || '/';
};

const unescaped = (path: string): string => {
  try {
    return decodeURIComponent(path);
  } catch {
    // The connection will say what is wrong with it.
    return path;
  }
};
