import { Fingerprint, MessageHandler, MessageHandlerFullBody, Parameters, Processor } from 'nestjs-postage';
import type { MessageBody } from 'nestjs-postage';
import { EchoExchange } from './echo.exchange.js';

const { pid, host } = new Fingerprint().asDict();

/** All receivers consume this one queue: each message goes to one of them, in turns. */
const sharedQueue = 'echo-queue';

/** Process id and host are this receiver's alone, and so is the queue: what comes here comes to every receiver. */
const privateQueue = { name: `echo-queue-${pid}${host}`, flags: { exclusive: true } };

@Processor({
  eqk: [
    [
      EchoExchange,
      [
        [sharedQueue, 'echo-rk'],
        [privateQueue, 'echo-fanout-rk'],
      ],
    ],
  ],
})
export class EchoReceiveProcessor {
  @MessageHandler('command', 'echo')
  msgEcho(@Parameters() text: string): void {
    console.log(text);
  }

  /** A second handler of the same message. It takes the whole body, which tells who sent it. */
  @MessageHandlerFullBody('command', 'echo')
  msgEchoFingerprint(body: MessageBody): void {
    console.log(`Message fingerprint: ${JSON.stringify(body.fingerprint)}`);
  }
}
