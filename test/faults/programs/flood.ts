import 'reflect-metadata';
import { PostageConnection, type PostageModuleOptions } from 'nestjs-postage';
import { say } from '../../support/say.js';
import { Numbers, startSender } from './sender.js';

/** What the test wants; the command line holds it as JSON. */
export interface FloodConfig {
  readonly url: string;
  readonly count: number;
  readonly publishing?: NonNullable<PostageModuleOptions['publishing']>;
  readonly publishTimeoutMs?: number;
}

const { url, count, publishing, publishTimeoutMs } = JSON.parse(process.argv[2] ?? '') as FloodConfig;
const app = await startSender({ connection: { url }, publishing });
const numbers = app.get(Numbers).with({ publishTimeoutMs });
const { connection } = { connection: app.get(PostageConnection) };
await numbers.command('first');

const outcomes: Record<string, number> = {};
const note = (outcome: string): void => {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
};
let peakBytes = 0;
const look = (): void => {
  peakBytes = Math.max(peakBytes, process.memoryUsage().heapUsed);
};
const begunMs = performance.now();
const settled: Promise<void>[] = [];
// Nobody waits for anything: all of it in one turn of the event loop.
for (let number = 0; number < count; number += 1) {
  const sent = numbers.command('number', { number, text: 'x'.repeat(64) });
  settled.push(
    sent.then(
      () => note('confirmed'),
      (error: { readonly code: string }) => note(error.code),
    ),
  );
}
const { waitingPublishes } = connection.snapshot;
look();
const watch = setInterval(look, 20);
await Promise.all(settled);
clearInterval(watch);
const { pendingPublishes, waitingBytes } = connection.snapshot;
say('settled', {
  outcomes,
  waitingPublishes,
  pendingPublishes,
  waitingBytes,
  peakMegabytes: Math.round(peakBytes / 1e6),
  elapsedMs: Math.round(performance.now() - begunMs),
});
await app.close();
