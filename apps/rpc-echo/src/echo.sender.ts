import { Injectable } from '@nestjs/common';
import { InjectProducer, PublishError, type ProducerOf } from 'nestjs-postage';
import { EchoProducer } from './echo.producer.js';

@Injectable()
export class EchoSender {
  constructor(@InjectProducer(EchoProducer) private readonly echo: ProducerOf<EchoProducer>) {}

  async run(): Promise<void> {
    try {
      const reply = await this.echo.rpcEcho('RPC test message');
      // Errors and exceptions of the receiver, and no answer in time, are results as well.
      if (reply.ok) console.log(reply.value);
      else this.#failed(reply.message);
    } catch (error) {
      // The request did not even reach a queue, for example because no receiver has ever run.
      if (!(error instanceof PublishError)) throw error;
      this.#failed(error.message);
    }
  }

  #failed(why: string): void {
    console.log('RPC failed');
    console.error(why);
  }
}
