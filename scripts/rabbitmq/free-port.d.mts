// What TypeScript needs to know of free-port.mjs, for the tests.

/** Finds different ports of 127.0.0.1 nobody listens on. */
export declare const freePorts: (count: number) => Promise<number[]>;
