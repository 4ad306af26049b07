import { format } from 'node:util';

/** Hands over what is printed with `console.log`, until the returned function is called. */
export const captureConsole = (onLine: (line: string) => void): (() => void) => {
  const { log } = console;
  console.log = (...values: unknown[]) => onLine(format(...values));
  return () => {
    console.log = log;
  };
};
