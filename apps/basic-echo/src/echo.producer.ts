import { GenericProducer, Producer, type MessageMethod } from 'nestjs-postage';
import { EchoExchange } from './echo.exchange.js';

/** What can be sent to the echo server, and where it goes. */
@Producer({ eks: [[EchoExchange, 'echo-rk']] })
export class EchoProducer extends GenericProducer {
  /** Sends the command `echo` with a text as its parameters. Declaring it is all: the producer has the code. */
  declare messageEcho: MessageMethod<string>;
}
