import { isRecord } from '../wire/body.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { Address } from './address.js';

/** One process of a fleet, as far as others know it. */
export interface FleetMember {
  /** `pid@host`: the address of that process. */
  readonly id: string;
  /** `applications.at(member.address)`. */
  readonly address: Address;
  readonly fingerprint: FingerprintDict;
  /** Undefined: it has never told. */
  readonly groups: readonly string[] | undefined;
  readonly lastSeen: Date;
  /** `missing`: it has not said good-bye, but is overdue, or has not answered. */
  readonly state: 'present' | 'missing';
}

/** What was heard of a process. */
export interface Sighting {
  readonly fingerprint: unknown;
  readonly groups?: unknown;
  /** When it will be heard again. */
  readonly intervalMs?: unknown;
}

interface Known {
  readonly fingerprint: FingerprintDict;
  readonly groups: readonly string[] | undefined;
  readonly seenMs: number;
  readonly intervalMs: number | undefined;
  readonly isSilent: boolean;
}

/** One heartbeat may get lost, and one may be late. */
const MISSED_BEATS = 3;
/** Names come from outside, so there must be a limit. */
const MAX_MEMBERS = 10_000;

/** Who is there, from what was heard: pure data, the clock is given. */
export class Fleet {
  readonly #known = new Map<string, Known>();

  /** It is there. @returns its id; undefined when it is not told who it is */
  seen({ fingerprint, groups, intervalMs }: Sighting, nowMs: number): string | undefined {
    const dict = fingerprintIn(fingerprint);
    if (dict === undefined) return undefined;
    const id = idOf(dict);
    const before = this.#known.get(id);
    // Behind all others: the first is the one that was not heard for the longest time.
    this.#known.delete(id);
    this.#known.set(id, {
      fingerprint: dict,
      groups: textsIn(groups) ?? before?.groups,
      seenMs: nowMs,
      intervalMs: isInterval(intervalMs) ? intervalMs : before?.intervalMs,
      isSilent: false,
    });
    if (this.#known.size > MAX_MEMBERS) this.#forgetOldest();
    return id;
  }

  /** It said good-bye. */
  gone(fingerprint: unknown): string | undefined {
    const dict = fingerprintIn(fingerprint);
    const id = dict && idOf(dict);
    return id !== undefined && this.#known.delete(id) ? id : undefined;
  }

  /** It should have answered. */
  silent(id: string): void {
    const known = this.#known.get(id);
    if (known) this.#known.set(id, { ...known, isSilent: true });
  }

  forget(id: string): void {
    this.#known.delete(id);
  }

  members(nowMs: number): readonly FleetMember[] {
    return [...this.#known].map(([id, { fingerprint, groups, seenMs, intervalMs, isSilent }]) => {
      const isOverdue = intervalMs !== undefined && nowMs - seenMs > MISSED_BEATS * intervalMs;
      const state = isSilent || isOverdue ? 'missing' : 'present';
      const address = Address.unique(fingerprint.pid, fingerprint.host);
      return { id, address, fingerprint, groups, lastSeen: new Date(seenMs), state };
    });
  }

  #forgetOldest(): void {
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

const idOf = ({ pid, host }: FingerprintDict): string => `${pid}@${host}`;

/** Any sender can write anything. */
const fingerprintIn = (value: unknown): FingerprintDict | undefined => {
  if (!isRecord(value)) return undefined;
  const { name, type, pid, host, user, vhost } = value;
  if (typeof pid !== 'string' || typeof host !== 'string' || !isAddress(pid, host)) return undefined;
  const text = (part: unknown): string => (typeof part === 'string' ? part : '');
  const textOrNull = (part: unknown): string | null => (typeof part === 'string' ? part : null);
  return {
    name: textOrNull(name),
    type: textOrNull(type),
    pid,
    host,
    user: text(user),
    vhost: text(vhost),
  };
};

const isAddress = (pid: string, host: string): boolean => {
  try {
    Address.unique(pid, host);
    return true;
  } catch {
    return false;
  }
};

const textsIn = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : undefined;

const isInterval = (value: unknown): value is number => typeof value === 'number' && value > 0;
