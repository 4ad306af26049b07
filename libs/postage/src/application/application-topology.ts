import { InvalidOptionError } from '../errors.js';
import type { QueueBinding } from '../topology/binding.js';
import { defineExchange } from '../topology/exchange.js';
import type { Compatibility, QueueFlags } from '../topology/queue.js';
import { Address, checkLength, checkName, checkPart, checkPid } from './address.js';

/** The exchange of all applications, as Postage declares it. */
export const GenericApplicationExchange = defineExchange({
  name: 'generic-application-exchange',
  type: 'direct',
  durable: true,
  autoDelete: false,
  passive: false,
});

/** What tells one process of a fleet from the others. */
export interface Identity {
  readonly name: string;
  readonly pid: string;
  readonly host: string;
}

/** @throws {InvalidOptionError} a part can not be part of an address */
export const checkIdentity = (given: { [K in keyof Identity]: unknown }): Identity => {
  const name = checkName(given.name, 'fingerprint.name');
  const host = checkPart(given.host, 'fingerprint.host');
  if (name.startsWith('amq.'))
    throw new InvalidOptionError(
      'fingerprint.name',
      'must not begin with "amq.": such queues are the broker\'s own.',
    );
  const longest = `${name}@${host}${LONGEST_END}`;
  checkLength(longest, 'fingerprint.name', 'with the host and the ends that addresses have');
  return { name, pid: checkPid(given.pid, 'fingerprint.pid'), host };
};

const LONGEST_END = '/rr/control';

/** @throws {InvalidOptionError} it can not be a group of that component */
export const checkGroup = ({ name }: Identity, group: unknown, option: string): string => {
  const checked = checkPart(group, option);
  checkLength(`${name}#${checked}${LONGEST_END}`, option, 'with the name and the ends that addresses have');
  return checked;
};

/** The queues of one process. */
export interface ApplicationQueues {
  /** Shared by all of that name. */
  readonly sid: string;
  /** Shared by all of that name on that host. */
  readonly hid: string;
  /** Its own. */
  readonly uid: string;
}

export const queuesOf = ({ name, pid, host }: Identity): ApplicationQueues => ({
  sid: name,
  hid: `${name}@${host}`,
  uid: `${pid}@${host}`,
});

/** Shared by all of that name in that group. */
export const groupQueueOf = ({ name }: Identity, group: string): string =>
  `${name}#${checkPart(group, 'group')}`;

/** Keys that lead to the process itself, whoever else they lead to. */
export const fanOutKeysOf = ({ name, pid, host }: Identity, groups: Iterable<string>): readonly string[] =>
  [
    Address.name(name),
    Address.host(host),
    Address.nameAtHost(name, host),
    Address.unique(pid, host),
    ...[...groups].map((group) => Address.group(name, group)),
  ].map(({ key }) => key);

/** Where a command for whoever is free goes, so that it does not wait behind work: a queue and a key of that name. */
export const controlKeyOf = (roundRobin: Address): string => `${roundRobin.key}/control`;

/** Whether such a queue brings nothing but commands. */
export const isControlQueue = (queue: string): boolean => queue.endsWith('/control');

/** What a process consumes from its start on. */
export const memberBindings = (identity: Identity, compatibility: Compatibility): readonly QueueBinding[] => {
  const { sid, hid, uid } = queuesOf(identity);
  const { name, host } = identity;
  const flags = flagsFor(compatibility);
  return [
    ...sharedBindings({ name: sid }, Address.roundRobin(name), compatibility),
    ...sharedBindings({ name: hid }, Address.nameAtHostRoundRobin(name, host), compatibility),
    ...fanOutKeysOf(identity, []).map((key): QueueBinding => [{ name: uid, flags }, key]),
  ];
};

/** What a process consumes as long as it is in a group. */
export const groupBindings = (
  identity: Identity,
  group: string,
  compatibility: Compatibility,
): { readonly own: QueueBinding; readonly shared: readonly QueueBinding[] } => ({
  own: [
    { name: queuesOf(identity).uid, flags: flagsFor(compatibility) },
    Address.group(identity.name, group).key,
  ],
  shared: sharedBindings(
    // Python's group queues stay when their last member has gone.
    { name: groupQueueOf(identity, group), flags: { autoDelete: compatibility !== 'python' } },
    Address.groupRoundRobin(identity.name, group),
    compatibility,
  ),
});

/** A queue whose consumers take turns, and the one for commands beside it, which Python's members do not know. */
const sharedBindings = (
  queue: { readonly name: string; readonly flags?: QueueFlags },
  address: Address,
  compatibility: Compatibility,
): readonly QueueBinding[] => {
  const flags = flagsFor(compatibility);
  const work: QueueBinding = [{ name: queue.name, flags: { ...flags, ...queue.flags } }, address.key];
  const control = controlKeyOf(address);
  return compatibility === 'python' ? [work] : [work, [{ name: control, flags }, control]];
};

const flagsFor = (compatibility: Compatibility): QueueFlags => ({
  durable: compatibility !== 'python',
  autoDelete: true,
});
