import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { markContentView, markReplies } from './metadata.js';
import { CONTENT_VIEW, PARAMETERS } from './payload.js';
import type { PostageContext } from './postage.context.js';

type Pipe = Type<PipeTransform> | PipeTransform;

/**
 * The parameters of a command. Pipes see the type of the argument, so `ValidationPipe` validates a DTO here as it does
 * for `@Payload()`.
 */
export const Parameters = (...pipes: readonly Pipe[]): ParameterDecorator => Payload(PARAMETERS, ...pipes);

/** The content of the message, whatever kind of handler it stands in. */
export const Content =
  (...pipes: readonly Pipe[]): ParameterDecorator =>
  (target, property, index) => {
    if (property !== undefined) markContentView(target, String(property));
    Payload(CONTENT_VIEW, ...pipes)(target, property, index);
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
