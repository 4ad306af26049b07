import { setImmediate as turn } from 'node:timers/promises';
import { Allocations } from './allocations.js';
import { clockMs, cpuMicros } from './clock.js';
import { closedLoop, steadyPace } from './loads.js';
import { CountMeter, HoldMeter, LatencyMeter, meterOf } from './meters.js';
import {
  parametersOf,
  type Caller,
  type Peer,
  type Publisher,
  type Side,
  type WorkParameters,
} from './peer.js';
import type { CommandName, Commands, Memory, Request, Response, Role } from './protocol.js';

/** One side of one peer, in a process of its own: does what the program asks for, and ends with it. */

type Meter = ReturnType<typeof meterOf>;
type Handlers = {
  readonly [K in CommandName]: (
    request: Commands[K]['request'],
  ) => Promise<Commands[K]['response']> | Commands[K]['response'];
};

const GC_ROUNDS = 3;

/** The program gives the address of a module that exports a `Peer`, and where allocations go if they are asked for. */
const [, , peerModule, allocationsFolder] = process.argv;

let side: Side | undefined;
let once: ((parameters: WorkParameters) => Promise<unknown>) | undefined;
let meter: Meter | undefined;
let sideName: Role | undefined;
let allocations: Allocations | undefined;

const present = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`this process has no ${what}`);
  return value;
};

const start = async (
  peer: Peer,
  { role, setting, meter: asked }: Commands['start']['request'],
): Promise<void> => {
  switch (role) {
    case 'replier':
      side = await peer.startReplier(setting);
      return;
    case 'caller': {
      const caller: Caller = await peer.startCaller(setting);
      side = caller;
      once = (parameters) => caller.call(parameters);
      return;
    }
    case 'publisher': {
      const publisher: Publisher = await peer.startPublisher(setting);
      side = publisher;
      once = (parameters) => publisher.publish(parameters);
      return;
    }
    case 'consumer':
      meter = meterOf(present(asked, 'meter'));
      side = await peer.startConsumer(setting, meter.handle);
  }
};

const memory = async (): Promise<Memory> => {
  for (let round = 0; round < GC_ROUNDS; round += 1) {
    await turn();
    present(globalThis.gc, '--expose-gc')();
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, usedBytes: heapUsed + external };
};

const handlers: Handlers = {
  start: async (request) => {
    const peer = await loadPeer();
    const calledAtMs = clockMs();
    await start(peer, request);
    sideName = request.role;
    if (allocationsFolder === undefined) return { calledAtMs };
    allocations = new Allocations();
    await allocations.begin();
    return { calledAtMs };
  },
  load: (load) => closedLoop(present(once, 'load'), load),
  pace: (pace) => steadyPace(present(once, 'load'), pace),
  abandon: ({ count, parameterBytes }) => {
    const parameters = parametersOf(parameterBytes);
    // They end with the process.
    for (let index = 0; index < count; index += 1) present(once, 'load')(parameters).catch(() => undefined);
    return null;
  },
  handled: ({ count }) => present(meter, 'meter').reached(count),
  latencies: ({ count }) => {
    if (!(meter instanceof LatencyMeter)) throw new Error('this consumer does not measure latencies');
    return meter.take(count);
  },
  hold: () => {
    if (!(meter instanceof CountMeter)) throw new Error('this consumer does not count');
    return { count: meter.hold() };
  },
  release: ({ marks }) => {
    if (meter instanceof HoldMeter) meter.release();
    if (meter instanceof CountMeter) meter.release(marks);
    return null;
  },
  cpu: () => ({ cpuMicros: cpuMicros() }),
  memory,
  stop: async () => {
    if (allocationsFolder !== undefined)
      await allocations?.write(allocationsFolder, `${sideName}-${process.pid}`);
    await side?.close();
    return null;
  },
};

const loadPeer = async (): Promise<Peer> => {
  const { peer } = (await import(present(peerModule, 'peer'))) as { peer: Peer };
  return peer;
};

const run = async <K extends CommandName>({ id, name, request }: Request<K>): Promise<void> => {
  const answer = (response: Response): void => {
    process.send?.(response);
  };
  try {
    answer({ id, ok: true, response: await handlers[name](request) });
  } catch (error) {
    answer({ id, ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
  // Whatever a library still has open.
  if (name === 'stop') process.disconnect();
};

process.on('message', (request: Request) => void run(request));
process.on('disconnect', () => process.exit());
// The program hears Ctrl-C as well, and ends us.
process.on('SIGINT', () => undefined);
