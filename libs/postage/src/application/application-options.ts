import type { MessageProperties } from '../connection/port.js';
import { InvalidOptionError } from '../errors.js';
import type { DeliveryFacts } from '../observability/observer.js';
import { defineExchange, readExchange } from '../topology/exchange.js';
import type { Exchange } from '../topology/types.js';
import type { MessageBody } from '../wire/body.js';
import { checkPart } from './address.js';
import { GenericApplicationExchange } from './application-topology.js';

/** A `quit` or `restart` that somebody has sent. */
export interface ControlRequest {
  readonly command: 'quit' | 'restart';
  /** The message, with the sender's fingerprint and whatever parameters it gave. Any sender can write anything. */
  readonly body: MessageBody;
  /** Where it came from. */
  readonly at: DeliveryFacts;
  /** AMQP basic properties; RabbitMQ checks `userId` against the sender's connection. */
  readonly properties: MessageProperties;
}

/** Whether a request may be obeyed. One that throws says no. */
export type ControlGuard = (request: ControlRequest) => boolean | Promise<boolean>;

/**
 * How a program is replaced.
 * - `'replace'`: a new execution of it, with the same command line, environment, working directory and standard streams:
 *   in the same process where Node can do that (`process.execve`, from 22.15 on), else in a child that takes over while
 *   this process only passes on signals and the exit code.
 * - `{ exitCode }`: the process exits, and whoever supervises it starts it again.
 * - a function: whatever it does.
 */
export type RestartMethod = 'replace' | { readonly exitCode: number } | (() => void | Promise<void>);

export interface PresenceOptions {
  /** @default `GenericApplicationStatusExchange` */
  readonly exchange?: Exchange | undefined;
  /** Time between two heartbeats, in milliseconds. @default 10_000 */
  readonly intervalMs?: number | undefined;
}

/** Makes this program a component that others can address. It is named by its fingerprint. */
export interface ApplicationOptions {
  /** Groups it is in from the start on. @default [] */
  readonly groups?: readonly string[] | undefined;
  /** @default `GenericApplicationExchange`, that of Postage */
  readonly exchange?: Exchange | undefined;
  /** The version of the program, for `describe`. @default none */
  readonly version?: string | undefined;
  /** Obey `quit`: always, never, or when a function says so. @default true */
  readonly quit?: boolean | ControlGuard | undefined;
  /** Obey `restart`: always, never, or when a function says so. @default true */
  readonly restart?: boolean | ControlGuard | undefined;
  /** @default 'replace' */
  readonly restartBy?: RestartMethod | undefined;
  /** Tell others when it comes, that it is there, and when it goes. @default false */
  readonly presence?: boolean | PresenceOptions | undefined;
}

/** Nothing left to default. */
export interface ApplicationSettings {
  readonly groups: readonly string[];
  readonly exchange: Exchange;
  readonly version: string | undefined;
  readonly quit: ControlGuard;
  readonly restart: ControlGuard;
  readonly restartBy: RestartMethod;
  readonly presence: { readonly exchange: Exchange; readonly intervalMs: number } | undefined;
}

/** Where components tell that they come, are there, and go: everybody who listens gets all of it. */
export const GenericApplicationStatusExchange = defineExchange({
  name: 'generic-application-status-exchange',
  type: 'fanout',
  durable: true,
  autoDelete: false,
});

const KNOWN: readonly (keyof ApplicationOptions)[] = [
  'groups',
  'exchange',
  'version',
  'quit',
  'restart',
  'restartBy',
  'presence',
];
const DEFAULT_INTERVAL_MS = 10_000;
const MAX_INTERVAL_MS = 86_400_000;

/** @throws {InvalidOptionError} naming the option */
export const resolveApplication = (options: ApplicationOptions): ApplicationSettings => {
  refuseUnknown(options, KNOWN, 'application');
  return {
    groups: checkGroups(options.groups ?? []),
    exchange: checkExchange(options.exchange ?? GenericApplicationExchange, 'application.exchange'),
    version: checkVersion(options.version),
    quit: checkGuard(options.quit ?? true, 'application.quit'),
    restart: checkGuard(options.restart ?? true, 'application.restart'),
    restartBy: checkMethod(options.restartBy ?? 'replace'),
    presence: resolvePresence(options.presence ?? false),
  };
};

/** @throws {InvalidOptionError} */
export const checkExchange = (exchange: Exchange, option: string): Exchange => {
  const checked = readExchange(exchange, option);
  if (checked.name === '')
    throw new InvalidOptionError(
      option,
      'must be an exchange of your own: nothing can be bound to the default exchange.',
    );
  return checked;
};

const resolvePresence = (presence: boolean | PresenceOptions): ApplicationSettings['presence'] => {
  if (presence === false) return undefined;
  const options = presence === true ? {} : presence;
  refuseUnknown(options, ['exchange', 'intervalMs'], 'application.presence');
  const { exchange = GenericApplicationStatusExchange, intervalMs = DEFAULT_INTERVAL_MS } = options;
  if (!Number.isSafeInteger(intervalMs) || intervalMs < 1 || intervalMs > MAX_INTERVAL_MS)
    throw new InvalidOptionError(
      'application.presence.intervalMs',
      `must be a whole number of milliseconds from 1 to ${MAX_INTERVAL_MS}, not ${String(intervalMs)}.`,
    );
  return { exchange: checkExchange(exchange, 'application.presence.exchange'), intervalMs };
};

const refuseUnknown = (given: unknown, known: readonly string[], option: string): void => {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new InvalidOptionError(option, 'must be an object of options.');
  const stranger = Object.keys(given).find((name) => !known.includes(name));
  if (stranger === undefined) return;
  throw new InvalidOptionError(`${option}.${stranger}`, `is not an option. Known: ${known.join(', ')}.`);
};

const checkGroups = (groups: readonly string[]): readonly string[] => {
  if (!Array.isArray(groups)) throw new InvalidOptionError('application.groups', 'must be a list of names.');
  return [...new Set(groups.map((group, index) => checkPart(group, `application.groups[${index}]`)))];
};

const checkVersion = (version: string | undefined): string | undefined => {
  if (version === undefined || typeof version === 'string') return version;
  throw new InvalidOptionError('application.version', 'must be a text.');
};

const checkGuard = (guard: boolean | ControlGuard, option: string): ControlGuard => {
  if (typeof guard === 'function') return guard;
  if (typeof guard !== 'boolean') throw new InvalidOptionError(option, 'must be true, false, or a function.');
  return () => guard;
};

const checkMethod = (method: RestartMethod): RestartMethod => {
  if (method === 'replace' || typeof method === 'function') return method;
  const exitCode: unknown = (method as { exitCode?: unknown } | null)?.exitCode;
  if (Number.isInteger(exitCode) && Number(exitCode) >= 0 && Number(exitCode) <= 255) return method;
  throw new InvalidOptionError(
    'application.restartBy',
    "must be 'replace', { exitCode } with a whole number from 0 to 255, or a function.",
  );
};
