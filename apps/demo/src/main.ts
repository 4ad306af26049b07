import { chooseBroker } from './broker.js';
import { ECHO_DEMOS } from './echo-demos.js';
import { runEchoDemo } from './run-echo-demo.js';

// Whoever has read enough (`npm run demo | head`) may go.
process.stdout.on('error', () => undefined);

try {
  const { connection, description } = await chooseBroker();
  console.log(`Broker: ${description}`);
  for (const demo of ECHO_DEMOS) await runEchoDemo(demo, connection);
  console.log('\nEverything that was sent has arrived.');
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
