import { GenericProducer, Producer, RpcCommand, type RpcMethod } from 'nestjs-postage';
import { EchoExchange } from './echo.exchange.js';
import type { Operands } from './endings.contract.js';

/** What else the receiver can be asked: one rpc for each way to end. */
@Producer({ eks: [[EchoExchange, 'echo-rk']], defaults: { timeoutMs: 2_000, maxRetry: 1 } })
export class EndingsProducer extends GenericProducer {
  /** The command `find_user`: a name as parameters, a mail address as the answer's value. */
  declare rpcFindUser: RpcMethod<string, string>;
  declare rpcSleep: RpcMethod<number, string>;

  /** Gives `rpcSum(a, b)`. A builder, because a declared rpc takes one argument: its parameters as they travel. */
  buildRpcSum(a: number, b: number): RpcCommand<number> {
    return new RpcCommand('sum', { a, b } satisfies Operands);
  }

  buildRpcDivide(a: number, b: number): RpcCommand<number> {
    return new RpcCommand('divide', { a, b } satisfies Operands);
  }
}
