import { setTimeout } from 'node:timers/promises';
import { Ctx } from '@nestjs/microservices';
import { MessageResultError, Parameters, PostageContext, Processor, RpcHandler } from 'nestjs-postage';
import { EchoExchange } from './echo.exchange.js';
import { ZeroDivisionError, type Operands } from './endings.contract.js';

const addresses: ReadonlyMap<string, string> = new Map([['guido', 'guido@example.org']]);

/** The queue of the other processor as well: it is consumed once, for the handlers of both. */
@Processor({ eqk: [[EchoExchange, [['echo-queue', 'echo-rk']]]] })
export class EndingsReceiveProcessor {
  /** Success: what is returned is the answer. */
  @RpcHandler('command', 'sum')
  sum(@Parameters() { a, b }: Operands): number {
    return a + b;
  }

  /** Error: a refusal that callers have to expect. Nothing is broken, so nothing is thrown, and nothing logged. */
  @RpcHandler('command', 'find_user')
  findUser(@Parameters() name: string): string | MessageResultError {
    return addresses.get(name) ?? new MessageResultError(`no such user: "${name}"`);
  }

  /** Exception: whatever is thrown. The caller gets its name and its message; the stack is logged here only. */
  @RpcHandler('command', 'divide')
  divide(@Parameters() { a, b }: Operands): number {
    if (b === 0) throw new ZeroDivisionError(`${a} / ${b}`);
    return a / b;
  }

  /** Timeout: this takes longer than its caller waits. The signal says when that is over, so that it can stop. */
  @RpcHandler('command', 'sleep')
  async sleep(@Parameters() ms: number, @Ctx() { signal }: PostageContext): Promise<string> {
    console.log(`sleeping for ${ms} ms`);
    try {
      return await setTimeout(ms, 'slept well', { signal });
    } catch {
      console.log(`woken up: ${String(signal.reason)}`);
      return 'slept badly';
    }
  }
}
