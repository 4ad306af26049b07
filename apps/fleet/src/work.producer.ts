import { GenericProducer, Producer, type RpcMethod } from 'nestjs-postage';

/** What members understand beside what every component does. It says nothing of where: `applications.at(...)` does. */
@Producer({ defaults: { timeoutMs: 5_000, maxRetry: 1 } })
export class WorkProducer extends GenericProducer {
  /** The name of a job; the value says who has done it. */
  declare rpcWork: RpcMethod<string, string>;
}
