import {
  GenericApplication,
  MessageHandler,
  Parameters,
  RpcHandler,
  type ApplicationOptions,
  type ControlGuard,
  type PostageEvent,
} from 'nestjs-postage';
import { say } from './say.js';

/** What a member is; its command line holds it as JSON. */
export interface MemberConfig {
  readonly name: string;
  readonly pid: string;
  readonly host: string;
  readonly groups?: readonly string[];
  readonly compatibility?: 'python';
  readonly prefetch?: number;
  readonly presence?: { readonly intervalMs: number };
  /** A function: whoever gives this token may; it throws when there are no parameters. */
  readonly quit?: boolean | { readonly token: string };
  readonly restart?: boolean;
  /** `function`: it prints that it was called. */
  readonly restartBy?: { readonly exitCode: number } | 'function';
  /** How long work takes, in milliseconds. */
  readonly workMs?: number;
}

interface Task {
  readonly id: string;
}

const held = new Set<() => void>();
// Whatever may be told over the broker could be stuck behind the handlers that are to be released.
process.on('SIGUSR2', () => {
  say('released', { count: held.size });
  for (const release of held) release();
  held.clear();
});

const config = JSON.parse(process.argv[2] ?? '{}') as MemberConfig;

/** Waits until the test releases it. */
const hold = async (id: string): Promise<string> => {
  const released = new Promise<void>((resolve) => held.add(resolve));
  // A test that waits for something behind this handler, which must not be, fails sooner than it times out.
  const timer = setTimeout(() => say('gave up', { id }), 60_000);
  say('holding', { id });
  await released;
  clearTimeout(timer);
  say('held', { id });
  return id;
};

const guardWith =
  ({ token: expected }: { readonly token: string }): ControlGuard =>
  ({ command, body, at, properties }) => {
    say('guard', { command, body, at, properties });
    const { token } = body.content['parameters'] as { readonly token: string };
    return token === expected;
  };

const observe = (event: PostageEvent): void => {
  switch (event.kind) {
    case 'control.accepted':
    case 'control.refused': {
      const { kind, command, at, fingerprint } = event;
      say(kind, { command, at, fingerprint, reason: 'reason' in event ? event.reason : undefined });
      break;
    }
    case 'group.joined':
    case 'group.left':
      say(event.kind, { group: event.group });
      break;
    case 'handler.failed':
      say(event.kind, { message: event.error instanceof Error ? event.error.message : event.error });
      break;
    case 'connection.lost':
    case 'connection.ready':
      say(event.kind, { role: event.role });
      break;
    default:
  }
};

class Member extends GenericApplication {
  @MessageHandler('command', 'work')
  async work(@Parameters() { id }: Task): Promise<void> {
    const { workMs } = config;
    if (workMs !== undefined) await new Promise((resolve) => setTimeout(resolve, workMs));
    say('work', { id });
  }

  @MessageHandler('command', 'hold')
  async holdMessage(@Parameters() { id }: Task): Promise<void> {
    await hold(id);
  }

  @RpcHandler('command', 'hold')
  holdRpc(@Parameters() { id }: Task): Promise<string> {
    return hold(id);
  }

  @RpcHandler('command', 'groups')
  groups(): readonly string[] {
    return this.member.groups;
  }
}

const restartBy = (): ApplicationOptions['restartBy'] =>
  config.restartBy === 'function' ? () => say('replaced by a function') : config.restartBy;

const { name, pid, host, groups, compatibility, prefetch, quit, restart, presence } = config;
say('begun', {
  pid: process.pid,
  argv: process.argv,
  execArgv: process.execArgv,
  cwd: process.cwd(),
  env: process.env,
});
const { kind, by } = await Member.run({
  name,
  fingerprint: { pid, host },
  application: {
    groups,
    presence,
    version: '1.2.3',
    quit: typeof quit === 'object' ? guardWith(quit) : quit,
    restart,
    restartBy: restartBy(),
  },
  postage: {
    connection: { url: process.env['FLEET_URL'] },
    reconnect: { initialDelayMs: 50, maxDelayMs: 500 },
    compatibility,
    prefetch,
    drainTimeoutMs: 60_000,
    observer: observe,
  },
});
say('after run', { kind, by });
