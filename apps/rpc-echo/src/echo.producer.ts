import { GenericProducer, Producer, type RpcMethod } from 'nestjs-postage';
import { EchoExchange } from './echo.exchange.js';

/**
 * What the echo server can be asked. A call is sent up to two times and waits two seconds for each answer; without
 * `defaults` that would be five times and thirty seconds.
 */
@Producer({ eks: [[EchoExchange, 'echo-rk']], defaults: { timeoutMs: 2_000, maxRetry: 1 } })
export class EchoProducer extends GenericProducer {
  /** A text as parameters, a text as the answer's value. */
  declare rpcEcho: RpcMethod<string, string>;
}
