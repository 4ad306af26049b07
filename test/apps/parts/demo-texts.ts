/** What every run of the demo shows, in this order. */
export const DEMO_TEXTS = [
  'Basic echo',
  '"parameters":"A test message"',
  'printed   A test message',
  'Advanced echo',
  'printed   A single test message',
  'printed   Message fingerprint: {"name":"echo_send","type":"application"',
  'RPC echo',
  '"category": "rpc"',
  'printed   RPC test message',
  'printed   RPC message received',
  'Everything that was sent has arrived.',
];

/** Those of the texts that come, in the order in which they come first. */
export const textsIn = (output: string): string[] =>
  DEMO_TEXTS.filter((text) => output.includes(text)).toSorted(
    (a, b) => output.indexOf(a) - output.indexOf(b),
  );
