import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

/** @import { Leftover } from './leftovers.mjs' */

/**
 * Clears up after a launcher that was killed and could not do it itself: a second process that holds one end of a
 * pipe, knows the list of leftovers, and clears it when the pipe closes, for whatever reason.
 */
export class Watchdog {
  #process;

  /** @type {Set<Leftover>} */
  #leftovers = new Set();

  constructor() {
    const script = fileURLToPath(new URL('./watchdog-process.mjs', import.meta.url));
    this.#process = spawn(process.execPath, [script], {
      // A group of its own, so that Ctrl-C or the end of the terminal does not take it along.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    this.#process.unref();
    this.#process.on('error', () => {});
    const { stdin } = this.#process;
    stdin.on('error', () => {});
    if (stdin instanceof Socket) stdin.unref();
  }

  /**
   * Call it as soon as the leftover exists.
   *
   * @param {Leftover} leftover
   * @returns {() => void} to be called once the leftover is gone
   */
  remember(leftover) {
    this.#leftovers.add(leftover);
    this.#tell();
    return () => {
      if (this.#leftovers.delete(leftover)) this.#tell();
    };
  }

  /** Ends the watch, and waits for what is still on the list to be cleared. */
  async close() {
    if (this.#process.exitCode !== null || this.#process.pid === undefined) return;
    const exit = once(this.#process, 'exit');
    this.#process.stdin.end();
    this.#process.ref();
    await exit;
  }

  /** Each line is the whole list; the last one counts. */
  #tell() {
    this.#process.stdin.write(`${JSON.stringify([...this.#leftovers])}\n`);
  }
}
