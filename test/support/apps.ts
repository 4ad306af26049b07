import type { INestMicroservice, Type, DynamicModule } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PostageModule, type PostageModuleOptions } from 'nestjs-postage';

/** A microservice with these controllers on one connection, listening. The caller closes it. */
export const startReceiver = async (
  options: PostageModuleOptions,
  controllers: Type[],
  extra: { readonly providers?: readonly Type[]; readonly imports?: readonly (Type | DynamicModule)[] } = {},
  configure: (app: INestMicroservice) => void = () => undefined,
): Promise<INestMicroservice> => {
  @Module({
    imports: [...(extra.imports ?? []), PostageModule.forRoot(options)],
    controllers,
    providers: [...(extra.providers ?? [])],
  })
  class Receiver {}
  const app = await NestFactory.createMicroservice(Receiver, {
    ...PostageModule.microservice(),
    logger: false as const,
    abortOnError: false,
  });
  configure(app);
  try {
    await app.listen();
  } catch (error) {
    await app.close();
    throw error;
  }
  return app;
};
