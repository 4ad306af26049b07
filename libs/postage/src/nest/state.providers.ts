import type { Provider } from '@nestjs/common';
import type { Messaging } from './messaging.js';
import { PostageHealthIndicator } from './postage.health.js';
import type { PostageState } from './postage.state.js';
import { healthToken, messagingToken, stateToken } from './tokens.js';

/** Where everything stands, and what health checks say of it. */
export const stateProviders = (name: string | undefined): Provider[] => [
  {
    provide: stateToken(name),
    useFactory: ({ state }: Messaging): PostageState => state,
    inject: [messagingToken(name)],
  },
  {
    provide: healthToken(name),
    useFactory: (state: PostageState) => new PostageHealthIndicator(state),
    inject: [stateToken(name)],
  },
];
