import { beforeAll, vi } from 'vitest';
import { advancedEcho } from './parts/advanced-echo.js';
import { basicEcho } from './parts/basic-echo.js';
import { bench } from './parts/bench.js';
import { demoOnMemory } from './parts/demo-on-memory.js';
import { demoOnRabbit } from './parts/demo-on-rabbit.js';
import { fleet } from './parts/fleet.js';
import { receivers } from './parts/receivers.js';
import { rpcEcho } from './parts/rpc-echo.js';
import { buildApps } from './support/build.js';

// A test starts up to four programs, one after the other.
vi.setConfig({ testTimeout: 90_000 });

// All parts in one file: compilers that run at the same time would overwrite each other's output.
beforeAll(buildApps, 300_000);

receivers();
basicEcho();
advancedEcho();
rpcEcho();
fleet();
demoOnRabbit();
demoOnMemory();
bench();
