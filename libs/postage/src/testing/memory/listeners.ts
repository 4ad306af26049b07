/** Where errors go that a user's listener throws: they are not the broker's, and must not break it. */
export type ErrorReport = (error: unknown) => void;

/** Calls a listener as a network client would: what it throws is reported and goes no further. */
export const callSafely = (report: ErrorReport, listener: () => void): void => {
  try {
    listener();
  } catch (error) {
    report(error);
  }
};

/** Listeners of something that may happen often. */
export class Listeners<T> {
  readonly #listeners = new Set<(value: T) => void>();
  readonly #report: ErrorReport;

  constructor(report: ErrorReport) {
    this.#report = report;
  }

  add(listener: (value: T) => void): void {
    this.#listeners.add(listener);
  }

  notify(value: T): void {
    for (const listener of this.#listeners) callSafely(this.#report, () => listener(value));
  }
}
