import { PublishError } from '../errors.js';
import type { Gathering, GatherOptions } from '../producer/gathering.js';
import { bindProducer, GenericProducer } from '../producer/generic-producer.js';
import type { MessagingRuntime } from '../producer/runtime.js';
import { Sender } from '../producer/sender.js';
import type { Compatibility } from '../topology/queue.js';
import type { Exchange } from '../topology/types.js';
import type { FingerprintDict } from '../wire/fingerprint.js';
import { MessageCommand } from '../wire/message.js';
import type { RpcResult } from '../wire/rpc-result.js';
import type { Address } from './address.js';
import type { ApplicationDescription } from './application-description.js';
import { checkExchange } from './application-options.js';
import { controlKeyOf } from './application-topology.js';

const TARGET = Symbol('postage.address');

interface Target {
  readonly address: Address;
  readonly compatibility: Compatibility;
}

/**
 * What components at one address can be told and asked. Commands that every component understands have methods here; others
 * are sent by their names: `command(name, parameters)`, `rpc(name, parameters)`, `gather(name, parameters, options)`.
 */
export class AddressedProducer extends GenericProducer {
  readonly [TARGET]!: Target;

  /** They stop consuming, finish what runs, and end; parameters are for whoever authorises it. @throws {PublishError} */
  messageQuit(parameters?: unknown): Promise<void> {
    return tell(this, 'quit', parameters);
  }

  /** The same, and then they start anew. @throws {PublishError} */
  messageRestart(parameters?: unknown): Promise<void> {
    return tell(this, 'restart', parameters);
  }

  /** They join a group. At the address of one process `rpcJoinGroup` tells when it is done. @throws {PublishError} */
  messageJoinGroup(group: string): Promise<void> {
    return tell(this, 'join_group', { group_name: group });
  }

  /** They leave a group. At the address of one process `rpcLeaveGroup` tells when it is done. @throws {PublishError} */
  messageLeaveGroup(group: string): Promise<void> {
    return tell(this, 'leave_group', { group_name: group });
  }

  /** Everyone who answers says who it is. See `gather` for options and errors; nobody there is UNROUTABLE. */
  gatherPing(options?: GatherOptions<FingerprintDict>): Gathering<FingerprintDict> {
    return this.gather<FingerprintDict>('ping', undefined, options);
  }

  /** Everyone who answers describes itself. */
  gatherDescribe(options?: GatherOptions<ApplicationDescription>): Gathering<ApplicationDescription> {
    return this.gather<ApplicationDescription>('describe', undefined, options);
  }

  /** The first of them to answer says who it is; `gatherPing` asks all. */
  rpcPing(): Promise<RpcResult<FingerprintDict>> {
    return ask(this, 'ping');
  }

  /** What it handles, its groups, versions, and how busy it is. Python components do not know this command. */
  rpcDescribe(): Promise<RpcResult<ApplicationDescription>> {
    return ask(this, 'describe');
  }

  /** The first of them to answer says whether it was not in the group before. Python components know `messageJoinGroup` only. */
  rpcJoinGroup(group: string): Promise<RpcResult<boolean>> {
    return ask(this, 'join_group', { group_name: group });
  }

  /** The first of them to answer says whether it was in the group. Python components know `messageLeaveGroup` only. */
  rpcLeaveGroup(group: string): Promise<RpcResult<boolean>> {
    return ask(this, 'leave_group', { group_name: group });
  }
}

const tell = (producer: AddressedProducer, command: string, parameters?: unknown): Promise<void> => {
  const message = new MessageCommand(command, parameters);
  return aheadOfWork(
    producer,
    (key) => producer.with({ key, mandatory: true }).publish(message),
    () => producer.publish(message),
  );
};

const ask = <V>(producer: AddressedProducer, command: string, parameters?: unknown): Promise<RpcResult<V>> =>
  aheadOfWork(
    producer,
    (key) => producer.with({ key }).rpc<V>(command, parameters),
    () => producer.rpc<V>(command, parameters),
  );

/** To one in turn: by a queue of its own, which only this library's components have; else behind their work. */
const aheadOfWork = async <T>(
  producer: AddressedProducer,
  first: (key: string) => Promise<T>,
  otherwise: () => Promise<T>,
): Promise<T> => {
  const { address, compatibility } = producer[TARGET];
  if (!address.isRoundRobin || compatibility === 'python') return otherwise();
  try {
    return await first(controlKeyOf(address));
  } catch (error) {
    if (error instanceof PublishError && error.code === 'UNROUTABLE') return otherwise();
    throw error;
  }
};

/** Talks to components by their addresses: by name, host, process or group; to all of them, or to one in turn. */
export class ApplicationProducer {
  readonly #runtime: MessagingRuntime;
  readonly #exchange: Exchange;
  readonly #compatibility: Compatibility;

  constructor(runtime: MessagingRuntime, exchange: Exchange, compatibility: Compatibility) {
    this.#runtime = runtime;
    this.#exchange = exchange;
    this.#compatibility = compatibility;
  }

  /**
   * ```ts
   * await applications.at(Address.name('monitor')).messageQuit();
   * const { value } = await applications.at(Address.roundRobin('monitor')).rpcPing();
   * ```
   */
  at(address: Address): AddressedProducer;
  /** A producer of your own, for your own commands: as it is, but for where it sends. */
  at<P extends GenericProducer>(address: Address, producer: P): P;
  at(address: Address, producer?: GenericProducer): GenericProducer {
    const eks = [[this.#exchange, address.key]] as const;
    if (producer) return producer.with({ eks });
    const { codec } = this.#runtime;
    const sender = new Sender(this.#runtime, { name: `ApplicationProducer.at(${address.key})`, eks, codec });
    const made = bindProducer(new AddressedProducer(), sender, {});
    return Object.defineProperty(made, TARGET, { value: { address, compatibility: this.#compatibility } });
  }

  /** The same for components of another exchange. @throws {InvalidOptionError} */
  through(exchange: Exchange): ApplicationProducer {
    return new ApplicationProducer(this.#runtime, checkExchange(exchange, 'exchange'), this.#compatibility);
  }
}
