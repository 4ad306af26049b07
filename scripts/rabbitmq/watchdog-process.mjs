// The second process behind watchdog.mjs: reads the list of leftovers line by line, clears the last one at the end.
import { createInterface } from 'node:readline';
import { clearLeftovers } from './leftovers.mjs';

// Only the end of the pipe ends the watch: who kills "everything here" politely still wants it tidy.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

/** @type {import('./leftovers.mjs').Leftover[]} */
let leftovers = [];
for await (const line of createInterface({ input: process.stdin })) leftovers = JSON.parse(line);
await clearLeftovers(leftovers);
