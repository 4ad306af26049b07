import { Inject, Module, type INestMicroservice, type ModuleMetadata, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ApplicationMember } from '../application/application-member.js';
import type { ApplicationOptions } from '../application/application-options.js';
import { ApplicationProducer } from '../application/application-producer.js';
import { ApplicationLifecycle, type ApplicationEnd } from '../application/lifecycle.js';
import type { FingerprintOptions } from '../wire/fingerprint.js';
import { processorOf } from './metadata.js';
import { PostageModule } from './postage.module.js';
import type { PostageOptions } from './postage.options.js';
import { Processor } from './processor.decorator.js';

/** Options of `GenericApplication.run`. */
export interface GenericApplicationOptions extends Pick<
  ModuleMetadata,
  'imports' | 'providers' | 'controllers'
> {
  /** The name that others address it by. */
  readonly name: string;
  /** Everything else of its fingerprint. @default type `application`, and what the system knows */
  readonly fingerprint?: Omit<FingerprintOptions, 'name'> | undefined;
  readonly application?: ApplicationOptions | undefined;
  /** Options of `PostageModule.forRoot`. */
  readonly postage?: Omit<PostageOptions, 'application' | 'fingerprint'> | undefined;
}

/**
 * A component as one class, for programs that are nothing else: its handlers are methods, as in Python Postage.
 *
 * ```ts
 * class Monitor extends GenericApplication {
 *   @RpcHandler('command', 'load')
 *   load(): number[] {
 *     return loadavg();
 *   }
 * }
 * const { kind } = await Monitor.run({ name: 'monitor', application: { groups: ['eu'] } });
 * console.log(`ended: ${kind}`);
 * ```
 */
export abstract class GenericApplication {
  /** This process, as others see it: its address, its groups. */
  @Inject(ApplicationMember) protected readonly member!: ApplicationMember;
  /** Talks to other components. */
  @Inject(ApplicationProducer) protected readonly applications!: ApplicationProducer;

  /**
   * Makes a Nest application of this class, serves its queues, and resolves when it has ended: after `quit`, or when the
   * program has closed it. SIGINT and SIGTERM let handlers finish and end the process.
   * @throws {InvalidOptionError} an option is wrong
   * @throws {PostageError} what keeps it from starting
   */
  static async run<A extends GenericApplication>(
    this: Type<A>,
    options: GenericApplicationOptions,
  ): Promise<ApplicationEnd> {
    const app = await NestFactory.createMicroservice(moduleOf(this, options), {
      ...PostageModule.microservice(),
      // Whoever calls this decides what becomes of the process.
      abortOnError: false,
    });
    const lifecycle = app.get(ApplicationLifecycle);
    const forgetSignals = endOnSignals(app);
    lifecycle.onEnd(() => {
      forgetSignals();
      return app.close();
    });
    try {
      // A start that is broken off does not come to its end.
      await Promise.race([app.listen(), lifecycle.ended]).catch(async (error: unknown) => {
        await app.close().catch(() => undefined);
        throw error;
      });
      return await lifecycle.ended;
    } finally {
      forgetSignals();
    }
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Closes the application and ends the process, with 0 where all is well: Nest's own hooks end it by the signal, and learned to
 * do otherwise in 11.2 only. A second signal ends it at once. Returns the way to stop listening.
 */
const endOnSignals = (app: INestMicroservice): (() => void) => {
  const end = (): void => {
    forget();
    app.close().then(
      () => process.exit(),
      () => process.exit(1),
    );
  };
  const forget = (): void => SIGNALS.forEach((signal) => process.off(signal, end));
  for (const signal of SIGNALS) process.on(signal, end);
  return forget;
};

const moduleOf = (application: Type<GenericApplication>, options: GenericApplicationOptions): Type => {
  const { name, fingerprint, application: own = {}, postage = {}, imports = [], ...rest } = options;
  const { providers = [], controllers = [] } = rest;
  // Nest looks for handlers among controllers only.
  if (!processorOf(application)) Processor()(application);
  class RootModule {}
  const messaging = PostageModule.forRoot({
    ...postage,
    fingerprint: { type: 'application', ...fingerprint, name },
    application: own,
  });
  Module({
    imports: [...imports, messaging],
    providers,
    controllers: [application, ...controllers],
  })(RootModule);
  return RootModule;
};
