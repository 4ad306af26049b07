import { GenericProducer, Producer, type MessageMethod } from 'nestjs-postage';
import { EchoExchange } from './echo.exchange.js';

/** What can be sent to the echo servers, and where it goes unless a call says otherwise. */
@Producer({ eks: [[EchoExchange, 'echo-rk']] })
export class EchoProducer extends GenericProducer {
  declare messageEcho: MessageMethod<string>;
}
