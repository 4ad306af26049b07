import type { Delivery } from '../connection/port.js';
import type { Handler, HandlerPattern } from '../consumer/handlers.js';
import type { Invocation } from '../consumer/invocation.js';
import { InvalidOptionError } from '../errors.js';
import type { DeliveryFacts, Observer } from '../observability/observer.js';
import { isRecord, type MessageBody } from '../wire/body.js';
import { MessageResult } from '../wire/message.js';
import type { ApplicationDescription } from './application-description.js';
import type { ControlGuard, ControlRequest } from './application-options.js';
import type { Groups } from './groups.js';
import type { ApplicationLifecycle } from './lifecycle.js';

export interface ControlOptions {
  readonly groups: Pick<Groups, 'join' | 'leave'>;
  readonly lifecycle: ApplicationLifecycle;
  readonly guards: Readonly<Record<'quit' | 'restart', ControlGuard>>;
  readonly observer: Observer;
  readonly fingerprint: object;
  readonly describe: () => ApplicationDescription;
  /** The message waited in its queue before this process was there. */
  readonly isLeftover: (delivery: Delivery) => boolean;
}

/** Commands that every component understands. */
export const controlHandlers = (options: ControlOptions): readonly Handler[] => [
  handler('rpc', 'ping', async () => new MessageResult(options.fingerprint)),
  handler('rpc', 'describe', async () => new MessageResult(options.describe())),
  ...(['message', 'rpc'] as const).flatMap((category) => [
    handler(
      category,
      'join_group',
      unlessLeftover(options, ({ body }) => options.groups.join(groupIn(body))),
    ),
    handler(
      category,
      'leave_group',
      unlessLeftover(options, ({ body }) => options.groups.leave(groupIn(body))),
    ),
  ]),
  handler(
    'message',
    'quit',
    unlessLeftover(options, (invocation) => end('quit', invocation, options)),
  ),
  handler(
    'message',
    'restart',
    unlessLeftover(options, (invocation) => end('restart', invocation, options)),
  ),
];

/** Whether a body is such a command. */
export const isControl = ({ category, type, name }: MessageBody, handlers: readonly Handler[]): boolean =>
  handlers.some(
    ({ pattern }) => pattern.category === category && pattern.type === type && pattern.name === name,
  );

const handler = (category: HandlerPattern['category'], name: string, invoke: Handler['invoke']): Handler => ({
  pattern: { category, type: 'command', name },
  label: `application command "${name}"`,
  filters: [],
  repliesItself: false,
  invoke,
});

const groupIn = ({ content }: MessageBody): string => {
  const { parameters } = content;
  // What it is, is checked by whoever joins or leaves.
  if (isRecord(parameters)) return parameters['group_name'] as string;
  throw new InvalidOptionError('parameters', 'must be { "group_name": the name of a group }.');
};

const ENDING = 'it is ending already';
const LEFTOVER = 'it was sent before this process began';

type Command = 'quit' | 'restart' | 'join_group' | 'leave_group';

const unlessLeftover =
  (options: ControlOptions, act: (invocation: Invocation) => Promise<unknown>): Handler['invoke'] =>
  async (invocation) => {
    const { delivery, body } = invocation;
    if (!options.isLeftover(delivery)) return act(invocation);
    refuse({ command: body.name as Command, reason: LEFTOVER }, invocation, options);
    return undefined;
  };

const end = async (
  command: 'quit' | 'restart',
  invocation: Invocation,
  options: ControlOptions,
): Promise<void> => {
  const { lifecycle, observer } = options;
  const { body } = invocation;
  const isDecided = (): boolean => lifecycle.decide({ kind: command, by: body.fingerprint });
  const why = (await whyNot(command, invocation, options)) ?? (isDecided() ? undefined : ENDING);
  if (why !== undefined) return refuse({ command, reason: why }, invocation, options);
  observer({ kind: 'control.accepted', command, at: placeOf(invocation), fingerprint: body.fingerprint });
  // Acked first: after that nothing can bring it back, least of all to the program that follows.
  setImmediate(
    () => void (command === 'quit' ? lifecycle.quit(body.fingerprint) : lifecycle.restart(body.fingerprint)),
  );
};

const whyNot = async (
  command: 'quit' | 'restart',
  invocation: Invocation,
  { guards, lifecycle }: ControlOptions,
): Promise<string | undefined> => {
  const { body, delivery } = invocation;
  if (command === 'restart' && lifecycle.isEnding) return ENDING;
  // Somebody else may have obeyed it, or this program before it was replaced.
  if (delivery.redelivered) return 'it was delivered before';
  const request: ControlRequest = { command, body, at: placeOf(invocation), properties: delivery.properties };
  try {
    // A function of the user, whatever its type says.
    const allowed: unknown = await guards[command](request);
    return allowed === true ? undefined : 'it is not allowed';
  } catch (error) {
    return `whether it is allowed can not be told: ${error instanceof Error ? error.message : String(error)}`;
  }
};

const refuse = (
  { command, reason }: { readonly command: Command; readonly reason: string },
  invocation: Invocation,
  { observer }: ControlOptions,
): void => {
  const { fingerprint } = invocation.body;
  observer({ kind: 'control.refused', command, at: placeOf(invocation), fingerprint, reason });
};

const placeOf = ({ queue, delivery }: Invocation): DeliveryFacts => {
  const { exchange, routingKey, redelivered, content } = delivery;
  return { queue, exchange, routingKey, redelivered, sizeBytes: content.length };
};
