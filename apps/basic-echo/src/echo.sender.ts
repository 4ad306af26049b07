import { Injectable } from '@nestjs/common';
import { InjectProducer, type ProducerOf } from 'nestjs-postage';
import { EchoProducer } from './echo.producer.js';

@Injectable()
export class EchoSender {
  constructor(@InjectProducer(EchoProducer) private readonly echo: ProducerOf<EchoProducer>) {}

  /** Resolves once the broker has taken the message. */
  async run(): Promise<void> {
    await this.echo.messageEcho('A test message');
  }
}
