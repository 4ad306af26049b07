import { ApplicationMember, Parameters, Processor, RpcHandler } from 'nestjs-postage';
import { labelOf } from './label.js';

/** It has no queues of its own: it serves those that make this program a component. */
@Processor()
export class WorkProcessor {
  constructor(private readonly member: ApplicationMember) {}

  @RpcHandler('command', 'work')
  work(@Parameters() job: string): string {
    console.log(`does ${job}`);
    return labelOf(this.member.fingerprint);
  }
}
