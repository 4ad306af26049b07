import {
  Module,
  type DynamicModule,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type Provider,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { PostageConnection } from '../connection/connection.js';
import type { GenericConsumer } from '../consumer/generic-consumer.js';
import { InvalidOptionError } from '../errors.js';
import type { RpcCaller } from '../producer/rpc-caller.js';
import { applicationProviders } from './application.providers.js';
import { Messaging } from './messaging.js';
import { isHandlerClass, processorOf } from './metadata.js';
import { PostageServer } from './postage.server.js';
import { noteErrorsOfClass } from './raw-error.js';
import type { SealedOptions } from './sealed-options.js';
import { stateProviders } from './state.providers.js';
import {
  connectionToken,
  consumerToken,
  messagingToken,
  optionsToken,
  rpcCallerToken,
  serverToken,
} from './tokens.js';

/** The messaging of a module: closed when the application has shut down, after all that may still send. */
class ModuleMessaging extends Messaging implements OnApplicationShutdown {
  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }
}

/** Global, so that producers can be registered in any module. What must end first stands in `PostageModule`. */
@Module({})
export class PostageCoreModule {
  static create(
    name: string | undefined,
    options: Provider[],
    imports: ModuleMetadata['imports'] = [],
  ): DynamicModule {
    const services = [...servicesOf(name), ...applicationProviders(name), ...stateProviders(name)];
    return {
      module: PostageCoreModule,
      global: true,
      imports,
      providers: [...options, ...services],
      exports: services,
    };
  }
}

const servicesOf = (name: string | undefined): Provider[] => [
  {
    provide: messagingToken(name),
    useFactory: (given: SealedOptions, modules: ModulesContainer) => {
      refuseSecond(modules, name);
      return new ModuleMessaging(given.open());
    },
    inject: [optionsToken(name), ModulesContainer],
  },
  {
    provide: connectionToken(name),
    useFactory: ({ connection }: Messaging): PostageConnection => connection,
    inject: [messagingToken(name)],
  },
  {
    provide: consumerToken(name),
    useFactory: ({ consumer }: Messaging): GenericConsumer => consumer,
    inject: [messagingToken(name)],
  },
  {
    provide: rpcCallerToken(name),
    useFactory: ({ rpc }: Messaging): RpcCaller => rpc,
    inject: [messagingToken(name)],
  },
  {
    provide: serverToken(name),
    useFactory: (messaging: Messaging, modules: ModulesContainer) => {
      listAsControllers(modules);
      noteErrors(modules);
      return new PostageServer({ messaging, name });
    },
    inject: [messagingToken(name), ModulesContainer],
  },
];

/** Two connections of one name would share handlers and producers by chance. */
const refuseSecond = (modules: ModulesContainer, name: string | undefined): void => {
  const count = [...modules.values()].filter(({ providers }) => providers.has(optionsToken(name))).length;
  if (count < 2) return;
  const which = name === undefined ? 'without a name' : `named "${name}"`;
  throw new InvalidOptionError(
    'name',
    `PostageModule.forRoot is imported ${count} times ${which}. Import it once, in the root module, or give each a name.`,
  );
};

/** Nest looks for handlers among controllers only: handler classes and processors listed as providers are shown to it too. */
const listAsControllers = (modules: ModulesContainer): void => {
  for (const { providers, controllers } of modules.values()) {
    for (const [token, wrapper] of providers) {
      const { metatype } = wrapper;
      if (typeof metatype !== 'function' || controllers.has(token)) continue;
      if (isHandlerClass(metatype) || processorOf(metatype) !== undefined)
        controllers.set(token, withoutHooks(wrapper) as never);
    }
  }
};

/**
 * The same wrapper for all that looks for handlers, but none of its instances for the lifecycle hooks: Nest has called
 * them among the providers, and would call them again.
 */
const withoutHooks = (wrapper: object): object =>
  Object.create(wrapper, {
    isTransient: { value: true },
    getStaticTransientInstances: { value: () => [] },
  }) as object;

/** Handlers of Nest's own decorators would otherwise answer every error with "Internal server error". */
const noteErrors = (modules: ModulesContainer): void => {
  for (const { controllers } of modules.values()) {
    for (const { metatype } of controllers.values()) {
      if (typeof metatype === 'function') noteErrorsOfClass(metatype.prototype as object);
    }
  }
};
