/** A failure the user can act on: its message is printed as one sentence, without a stack. */
export class LauncherError extends Error {
  name = 'LauncherError';

  /**
   * @param {string} message
   * @param {{ exitCode?: number, cause?: unknown }} [options]
   */
  constructor(message, { exitCode = 1, cause } = {}) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}

/** A port that was free when it was chosen, and no longer when it was needed: worth a second try. */
export class PortTakenError extends LauncherError {
  name = 'PortTakenError';
}
