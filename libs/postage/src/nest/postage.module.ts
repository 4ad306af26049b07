import {
  Module,
  type DynamicModule,
  type InjectionToken,
  type ModuleMetadata,
  type Provider,
  type Type,
} from '@nestjs/common';
import { ModuleRef, ModulesContainer } from '@nestjs/core';
import type { GenericProducer } from '../producer/generic-producer.js';
import { bindProducer } from '../producer/generic-producer.js';
import { Sender } from '../producer/sender.js';
import type { Messaging } from './messaging.js';
import { PostageCoreModule } from './postage-core.module.js';
import { PostageDrain } from './postage.drain.js';
import type { PostageOptions } from './postage.options.js';
import type { PostageServer } from './postage.server.js';
import { producerOptionsOf } from './producer.decorators.js';
import { SealedOptions } from './sealed-options.js';
import {
  drainToken,
  messagingToken,
  optionsToken,
  producerToken,
  serverToken,
  type ProducerClass,
} from './tokens.js';

/** Options of `PostageModule.forRoot`. */
export interface PostageModuleOptions extends PostageOptions {
  /** Tells several connections of one application apart; at most one goes without. */
  readonly name?: string | undefined;
}

/** Makes options, for `forRootAsync({ useClass })` and `useExisting`. */
export interface PostageOptionsFactory {
  createPostageOptions(): PostageOptions | Promise<PostageOptions>;
}

/** Options of `PostageModule.forRootAsync`: one of the three `use...`. */
export interface PostageModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly name?: string | undefined;
  readonly inject?: InjectionToken[] | undefined;
  readonly useFactory?: ((...dependencies: never[]) => PostageOptions | Promise<PostageOptions>) | undefined;
  readonly useClass?: Type<PostageOptionsFactory> | undefined;
  readonly useExisting?: Type<PostageOptionsFactory> | undefined;
}

/** Options of `PostageModule.forFeature`. */
export interface PostageFeatureOptions extends Pick<ModuleMetadata, 'imports' | 'providers'> {
  /** The name of the `forRoot({ name })` that the producers send through. */
  readonly connection?: string | undefined;
}

/** What `PostageModule.microservice()` gives to `createMicroservice` and `connectMicroservice`. */
export interface PostageMicroservice {
  readonly inject: InjectionToken[];
  readonly useFactory: (server: PostageServer) => { strategy: PostageServer };
}

/**
 * Messaging for a Nest application. Import `forRoot` once per broker and virtual host, in the root module. When the
 * application ends, handlers end before anything else is destroyed.
 */
@Module({})
export class PostageModule {
  /** @throws {InvalidOptionError} when the application starts */
  static forRoot(options: PostageModuleOptions = {}): DynamicModule {
    const { name, ...rest } = options;
    return root(name, [{ provide: optionsToken(name), useValue: new SealedOptions(rest) }]);
  }

  static forRootAsync(options: PostageModuleAsyncOptions): DynamicModule {
    return root(options.name, asyncProviders(options), options.imports);
  }

  /**
   * Makes producers injectable, by `@InjectProducer` or by their class.
   *
   * A producer's own dependencies must be visible here: from global modules, or named in the options.
   */
  static forFeature(producers: readonly ProducerClass[], options: PostageFeatureOptions = {}): DynamicModule {
    const { connection, imports = [], providers = [] } = options;
    const own = producers.map((producer) => producerProvider(producer, connection));
    return { module: PostageModule, imports, providers: [...providers, ...own], exports: own };
  }

  /** `NestFactory.createMicroservice(AppModule, PostageModule.microservice())`, and the same for `connectMicroservice`. */
  static microservice(connection?: string): PostageMicroservice {
    const useFactory: PostageMicroservice['useFactory'] = (strategy) => {
      strategy.expectListen();
      return { strategy };
    };
    return { inject: [serverToken(connection)], useFactory };
  }
}

const root = (
  name: string | undefined,
  options: Provider[],
  imports: ModuleMetadata['imports'] = [],
): DynamicModule => ({
  module: PostageModule,
  imports: [PostageCoreModule.create(name, options, imports)],
  providers: [
    {
      provide: drainToken(name),
      useFactory: (messaging: Messaging, modules: ModulesContainer) => {
        PostageDrain.goFirst(modules, drainToken(name));
        return new PostageDrain(messaging, modules);
      },
      inject: [messagingToken(name), ModulesContainer],
    },
  ],
});

const asyncProviders = (options: PostageModuleAsyncOptions): Provider[] => {
  const provide = optionsToken(options.name);
  const { useFactory } = options;
  if (useFactory) {
    const sealed = async (...dependencies: never[]): Promise<SealedOptions> =>
      new SealedOptions(await useFactory(...dependencies));
    return [{ provide, useFactory: sealed, inject: options.inject ?? [] }];
  }
  const factory = options.useExisting ?? options.useClass;
  if (factory === undefined) return [{ provide, useValue: new SealedOptions({}) }];
  const fromFactory: Provider = {
    provide,
    useFactory: async (made: PostageOptionsFactory) => new SealedOptions(await made.createPostageOptions()),
    inject: [factory],
  };
  return options.useClass ? [fromFactory, options.useClass] : [fromFactory];
};

/** The class is made by Nest, with whatever its constructor asks for, then given what it sends with. */
const producerProvider = (producer: ProducerClass, connection: string | undefined): Provider => ({
  provide: producerToken(producer, connection),
  useFactory: async (moduleRef: ModuleRef, messaging: Messaging): Promise<GenericProducer> => {
    const { eks, encoder, defaults } = producerOptionsOf(producer);
    const codec = encoder === undefined ? messaging.codec : messaging.codec.writingWith(encoder);
    const sender = new Sender(messaging, { name: producer.name, eks, codec });
    return bindProducer(await moduleRef.create(producer), sender, defaults);
  },
  inject: [ModuleRef, messagingToken(connection)],
});
