/** What the caller and the receiver share, beside the names of the commands. */
export interface Operands {
  readonly a: number;
  readonly b: number;
}

/** Only its name and its message travel. A caller that has registered the class gets an instance of it back. */
export class ZeroDivisionError extends Error {
  override readonly name = 'ZeroDivisionError';
}
