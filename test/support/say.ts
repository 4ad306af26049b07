/** A program tells the test that has started it: one line of JSON. Resolves once that has left the process, however it ends. */
export const said = (event: string, facts: object = {}): Promise<void> =>
  new Promise((resolve) => {
    process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`, () => resolve());
  });

/** The same, for those that go on at once. */
export const say = (event: string, facts?: object): void => void said(event, facts);
