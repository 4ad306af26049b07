// What `apps/demo` runs in one process; on their own, `send.ts` and `receive.ts` are the programs.
export { EchoProducer } from './echo.producer.js';
export { EchoReceiveProcessor } from './echo-receive.processor.js';
export { EchoSender } from './echo.sender.js';
