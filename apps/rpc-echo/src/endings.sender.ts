import { Injectable } from '@nestjs/common';
import { InjectProducer, type ProducerOf } from 'nestjs-postage';
import { describeEnding } from './describe-ending.js';
import { EndingsProducer } from './endings.producer.js';

@Injectable()
export class EndingsSender {
  constructor(@InjectProducer(EndingsProducer) private readonly endings: ProducerOf<EndingsProducer>) {}

  async run(): Promise<void> {
    console.log(await describeEnding(this.endings.rpcSum(5, 6)));
    console.log(await describeEnding(this.endings.rpcFindUser('nobody')));
    console.log(await describeEnding(this.endings.rpcDivide(7, 0)));

    // Sent twice, 300 ms for each. The receiver knows the second request for the first one, and runs its handler once.
    const impatient = this.endings.with({ timeoutMs: 300, maxRetry: 1 });
    console.log(await describeEnding(impatient.rpcSleep(60_000)));

    // No queue is bound to this key. The broker says so at once: nobody has to wait for a timeout.
    const astray = this.endings.with({ key: 'nobody-rk' });
    console.log(await describeEnding(astray.rpcSum(5, 6)));
  }
}
