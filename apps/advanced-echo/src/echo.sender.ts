import { Injectable } from '@nestjs/common';
import { InjectProducer, type ProducerOf } from 'nestjs-postage';
import { EchoProducer } from './echo.producer.js';

@Injectable()
export class EchoSender {
  constructor(@InjectProducer(EchoProducer) private readonly echo: ProducerOf<EchoProducer>) {}

  async run(): Promise<void> {
    await this.echo.messageEcho('A single test message');
    await this.echo.with({ key: 'echo-fanout-rk' }).messageEcho('A fanout test message');
  }
}
