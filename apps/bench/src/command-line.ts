/** What `npm run bench` was asked for. */
export interface Options {
  /** Names of works and peers; none means all. */
  readonly only: readonly string[];
  readonly quick: boolean;
  readonly rounds: number | undefined;
  readonly seconds: number | undefined;
  /** Files to be written. An empty name is the standard output. */
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  /** A file of stored ratios to compare with; an empty name is the repository's own. */
  readonly check: string | undefined;
  readonly store: boolean;
  /** Folders for profiles of our own processes. */
  readonly profile: string | undefined;
  readonly allocations: string | undefined;
  readonly list: boolean;
  readonly help: boolean;
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `usage: npm run bench -- [option]...

Measures this library and its peers in the same run, in interleaved rounds, on the broker of POSTAGE_URL, or else on a
RabbitMQ node of its own.

  --quick            the most important works, with short rounds: about two minutes
  --only NAME,...    only these works and peers; "rpc" is all works whose names begin with it. May be repeated
  --rounds N         how often each peer is measured at each work
  --seconds S        how long a round measures
  --json FILE        write all samples, medians and ratios to a file
  --markdown [FILE]  write the tables as Markdown, to a file or to the standard output
  --check [FILE]     compare the ratios with stored ones (apps/bench/ratios.json), and fail on a loss beyond the noise
  --store            store the ratios in apps/bench/ratios.json
  --profile FOLDER   write CPU profiles of this library's processes
  --allocations FOLDER
                     write what this library's processes allocate; not in the same run as CPU profiles
  --list             the names of works and peers
  --help             this text`;

type Value = 'none' | 'optional' | 'required';

const FLAGS: Readonly<Record<keyof Options, Value>> = {
  only: 'required',
  quick: 'none',
  rounds: 'required',
  seconds: 'required',
  json: 'required',
  markdown: 'optional',
  check: 'optional',
  store: 'none',
  profile: 'required',
  allocations: 'required',
  list: 'none',
  help: 'none',
};

const isFlag = (name: string): name is keyof Options => Object.hasOwn(FLAGS, name);

/** The flags as they were given, in order. */
const readFlags = (argv: readonly string[]): readonly (readonly [keyof Options, string])[] => {
  const flags: (readonly [keyof Options, string])[] = [];
  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const [, name = '', , inline] = /^--(?<name>[^=]*)(?<assigned>=(?<value>.*))?$/s.exec(argument) ?? [];
    if (!isFlag(name)) throw new UsageError(`unknown argument "${argument}"\n\n${USAGE}`);
    const value = inline ?? (FLAGS[name] !== 'none' && !rest[0]?.startsWith('--') ? rest.shift() : undefined);
    if (FLAGS[name] === 'required' && !value) throw new UsageError(`--${name} needs a value`);
    if (FLAGS[name] === 'none' && inline !== undefined) throw new UsageError(`--${name} takes no value`);
    flags.push([name, value ?? '']);
  }
  return flags;
};

const positive = (flag: string, text: string | undefined, isWhole: boolean): number | undefined => {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isFinite(number) && number > 0 && (!isWhole || Number.isInteger(number))) return number;
  throw new UsageError(`--${flag} takes ${isWhole ? 'a whole number' : 'a number'} above 0, not "${text}"`);
};

/** @throws {UsageError} something in it is not known, or has no proper value */
export const parseArguments = (argv: readonly string[]): Options => {
  const flags = readFlags(argv);
  const last = new Map(flags);
  return {
    only: flags.flatMap(([name, value]) => (name === 'only' ? value.split(',').filter(Boolean) : [])),
    quick: last.has('quick'),
    rounds: positive('rounds', last.get('rounds'), true),
    seconds: positive('seconds', last.get('seconds'), false),
    json: last.get('json'),
    markdown: last.get('markdown'),
    check: last.get('check'),
    store: last.has('store'),
    profile: last.get('profile'),
    allocations: last.get('allocations'),
    list: last.has('list'),
    help: last.has('help'),
  };
};
