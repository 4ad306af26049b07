import { HttpException } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import type { HandlerScope } from '../connection/causation.js';
import { isRecord } from '../wire/body.js';
import { MessageResultError, MessageResultException } from '../wire/message.js';
import { describeThrown } from '../wire/thrown.js';

const NEST_UNKNOWN = 'Internal server error';

/** What Nest's default filter makes of an error that it does not know. */
const isNestUnknown = (failure: unknown): boolean =>
  isRecord(failure) && failure['status'] === 'error' && failure['message'] === NEST_UNKNOWN;

/** What Nest's default filter makes of an `RpcException`. */
const isPacketOf = (failure: unknown, raw: unknown): boolean => {
  if (!(raw instanceof RpcException)) return false;
  const error = raw.getError();
  return (
    failure === error || (isRecord(failure) && failure['status'] === 'error' && failure['message'] === error)
  );
};

/** Objects that an exception filter gave in place of an error; data, so that they can not tell it themselves. */
const givenByFilters = new WeakSet<object>();

/** The error as it was thrown, where Nest has put its own in its place; otherwise what Nest or a filter made of it. */
export const originalError = (failure: unknown, thrown: HandlerScope['thrown']): unknown => {
  if (thrown !== undefined && (isNestUnknown(failure) || isPacketOf(failure, thrown.raw))) return thrown.raw;
  if (isRecord(failure)) givenByFilters.add(failure);
  return failure;
};

/**
 * What the caller of a failed rpc handler is told. `HttpException`, `RpcException` and what an exception filter returned are
 * expected refusals: error results. Anything else is an exception result with its class name and message. Never a stack.
 */
export const toFailure = (failure: unknown): MessageResultError | MessageResultException => {
  if (failure instanceof MessageResultError || failure instanceof MessageResultException) return failure;
  if (failure instanceof HttpException) return new MessageResultError(httpMessage(failure), nameOf(failure));
  if (failure instanceof RpcException)
    return new MessageResultError(messageOf(failure.getError()), nameOf(failure));
  if (isRecord(failure) && givenByFilters.has(failure) && !(failure instanceof Error))
    return new MessageResultError(messageOf(failure));
  return MessageResultException.from(failure);
};

const nameOf = (error: Error): string => describeThrown(error).name;

/** ValidationPipe puts what is wrong into its response, not into the message of the error. */
const httpMessage = (error: HttpException): string => {
  const response = error.getResponse();
  if (typeof response === 'string') return response;
  const { message } = response as { message?: unknown };
  if (Array.isArray(message)) return message.map(String).join('; ');
  return typeof message === 'string' ? message : error.message;
};

const withoutStack = (key: string, value: unknown): unknown => (key === 'stack' ? undefined : value);

const messageOf = (error: string | object): string => {
  if (typeof error === 'string') return error;
  if ('message' in error && typeof error.message === 'string') return error.message;
  try {
    return JSON.stringify(error, withoutStack);
  } catch {
    return 'the error can not be shown as JSON';
  }
};

/** For logs: its class and what is wrong, as the caller of an rpc would be told. Never a stack. */
export const describeError = (error: unknown): string => {
  const { name, message } = describeThrown(error);
  return `${name}: ${error instanceof HttpException ? httpMessage(error) : message}`;
};
