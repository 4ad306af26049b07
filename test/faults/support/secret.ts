import { inspect } from 'node:util';

/** Its parts show up also where only a piece of it is shown; its signs are those that a URL has to encode. */
const PARTS = ['Zanzibar', 'Quixote', 'Pumpernickel'] as const;
export const PASSWORD = `${PARTS[0]}/${PARTS[1]}@${PARTS[2]}#%:`;

const base64 = (text: string): string => Buffer.from(text).toString('base64').replace(/=+$/, '');

/** Bytes in base64 look different at each of three places in a longer text; the ends of a piece depend on what is beside it. */
const inBase64 = (text: string): string[] =>
  [0, 1, 2].map((shift) => base64(`${'\0'.repeat(shift)}${text}`).slice(shift === 0 ? 0 : shift + 1, -2));

/** Everything that would give a password away, but for its case: its parts, and how it travels. */
export const tracesOf = (user: string): readonly string[] => [
  ...PARTS,
  encodeURIComponent(PASSWORD),
  base64(`\0${user}\0${PASSWORD}`),
  base64(`${user}:${PASSWORD}`),
  ...inBase64(PASSWORD),
  Buffer.from(PASSWORD).toString('hex'),
  // As a console shows bytes.
  inspect(Buffer.from(PASSWORD)).slice(8, 50),
];

/** What is given away in a text, with what stands before it. */
export const leaksIn = (text: string, user: string): readonly string[] => {
  const lower = text.toLowerCase();
  return tracesOf(user).flatMap((trace) => {
    const at = lower.indexOf(trace.toLowerCase());
    return at === -1 ? [] : [`${trace}: ${text.slice(Math.max(0, at - 200), at + trace.length)}`];
  });
};

/** A value as thoroughly as anything could print it. */
export const shown = (value: unknown): string => {
  const options = {
    depth: Infinity,
    maxArrayLength: Infinity,
    maxStringLength: Infinity,
    getters: true,
    showProxy: true,
  };
  return [
    inspect(value, { ...options, showHidden: true }),
    inspect(value, options),
    String(value),
    asJson(value),
  ].join('\n');
};

const asJson = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? '';
  } catch (error) {
    return String(error);
  }
};
