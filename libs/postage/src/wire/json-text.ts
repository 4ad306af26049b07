const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** The bit in which `[` differs from `{`, and `]` from `}`. */
const CURLY = 0x20;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** The index after the closing quote of the string that opens at `start`; -1 when it never closes. Linear. */
export function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);
  while (quote !== -1) {
    let before = quote - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    // An odd number of backslashes escapes the quote.
    if ((quote - before) % 2 === 1) return quote + 1;
    quote = text.indexOf('"', quote + 1);
  }
  return -1;
}

/** Whether brackets and braces outside strings are nested deeper than that. Not recursive, and no parser. */
export function isDeeperThan(text: string, maxDepth: number): boolean {
  // Every level takes two characters: most messages are too short to be that deep.
  if (text.length < 2 * (maxDepth + 1)) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      const end = endOfString(text, at);
      if (end === -1) return false;
      at = end - 1;
    } else if ((char | CURLY) === OPEN) {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if ((char | CURLY) === CLOSE) {
      depth -= 1;
    }
  }
  return false;
}
