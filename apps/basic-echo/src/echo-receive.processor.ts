import { MessageHandler, Parameters, Processor } from 'nestjs-postage';
import { EchoExchange } from './echo.exchange.js';

/** Consumes `echo-queue`, which gets what is sent to the exchange with the key `echo-rk`. */
@Processor({ eqk: [[EchoExchange, [['echo-queue', 'echo-rk']]]] })
export class EchoReceiveProcessor {
  /** Runs for every command named `echo`. */
  @MessageHandler('command', 'echo')
  msgEcho(@Parameters() text: string): void {
    console.log(text);
  }
}
