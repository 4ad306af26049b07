import { MessageResult, Parameters, Processor, Reply, RpcHandler, type ReplyFunction } from 'nestjs-postage';
import { EchoExchange } from './echo.exchange.js';

@Processor({ eqk: [[EchoExchange, [['echo-queue', 'echo-rk']]]] })
export class EchoReceiveProcessor {
  /** Answers every rpc command named `echo`. After the reply it could go on working. */
  @RpcHandler('command', 'echo')
  msgEcho(@Parameters() text: string, @Reply() reply: ReplyFunction): void {
    console.log(text);
    reply(new MessageResult('RPC message received'));
  }
}
