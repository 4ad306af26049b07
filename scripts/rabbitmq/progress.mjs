/**
 * Prints one line of progress. Always to stderr: stdout belongs to the command.
 *
 * @param {string} text
 */
export function say(text) {
  process.stderr.write(`[with-rabbitmq] ${text}\n`);
}

/** A terminal that closed, or a reader that left, must not keep us from tidying up. */
export function tolerateClosedStderr() {
  process.stderr.on('error', () => {});
}
