import { resolveRetry, type RetryPolicy } from '../consumer/retry-options.js';
import { onMethodOrClass, type HandlerDecorator } from './handler.decorators.js';
import { isRequestHandler, retryOfRpc, setRetry } from './retry-metadata.js';

/**
 * When a message that this handler failed at is handled again, by this handler alone; `false`: never. Wins over `retry` of
 * the processor and of the module. Above or below the handler's own decorator.
 * @throws {InvalidOptionError} the policy is wrong, or the handler is one of rpcs
 * @example
 * @Retry({ attempts: 3, backoffMs: [1_000, 60_000], on: [TimeoutError] })
 */
export const Retry = (policy: RetryPolicy | false): HandlerDecorator => {
  const settings = resolveRetry(policy, '@Retry');
  return onMethodOrClass('Retry', (_prototype, _method, descriptor) => {
    // Its type says `any`; what is decorated here is a method.
    const method = descriptor.value as object;
    if (isRequestHandler(method)) throw retryOfRpc();
    setRetry(method, settings);
  });
};
