import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { markContentView, markReplies } from './metadata.js';
import { CONTENT_VIEW, PARAMETERS } from './payload.js';
import type { PostageContext } from './postage.context.js';

type Pipe = Type<PipeTransform> | PipeTransform;

/** Nest 12's options of a parameter: a Standard Schema for `StandardSchemaValidationPipe`, and pipes. */
export interface ParameterOptions {
  readonly schema?: unknown;
  readonly pipes?: readonly Pipe[] | undefined;
}

/** The type of Nest's `Payload` takes options alone, or pipes alone; at run time it is one list. */
const payload = (property: string, pipes: readonly (Pipe | ParameterOptions)[]): ParameterDecorator =>
  Payload(property, ...(pipes as readonly Pipe[]));

/**
 * The parameters of a command. Pipes see the type of the argument, so `ValidationPipe` validates a DTO here as it does
 * for `@Payload()`; with Nest 12, `@Parameters({ schema })` is for `StandardSchemaValidationPipe`.
 */
export const Parameters = (...pipes: readonly (Pipe | ParameterOptions)[]): ParameterDecorator =>
  payload(PARAMETERS, pipes);

/** The content of the message, whatever kind of handler it stands in. */
export const Content =
  (...pipes: readonly (Pipe | ParameterOptions)[]): ParameterDecorator =>
  (target, property, index) => {
    if (property !== undefined) markContentView(target, String(property));
    payload(CONTENT_VIEW, pipes)(target, property, index);
  };

const contextOf = (host: ExecutionContext): PostageContext => host.switchToRpc().getContext<PostageContext>();

/** The sender's fingerprint: `{ name, type, pid, host, user, vhost }`. */
export const Sender: () => ParameterDecorator = createParamDecorator(
  (_: unknown, host: ExecutionContext) => contextOf(host).fingerprint,
);

const InjectReply = createParamDecorator((_: unknown, host: ExecutionContext) => contextOf(host).reply);

/** The function that answers an rpc (`ReplyFunction`), once. What the method does afterwards still counts as in flight. */
export const Reply = (): ParameterDecorator => (target, property, index) => {
  if (property !== undefined) markReplies(target, String(property));
  InjectReply()(target, property, index);
};
