var __decorate =
  (this && this.__decorate) ||
  function (decorators, target, key, desc) {
    var c = arguments.length,
      r = c < 3 ? target : desc === null ? (desc = Object.getOwnPropertyDescriptor(target, key)) : desc,
      d;
    if (typeof Reflect === 'object' && typeof Reflect.decorate === 'function')
      r = Reflect.decorate(decorators, target, key, desc);
    else
      for (var i = decorators.length - 1; i >= 0; i--)
        if ((d = decorators[i])) r = (c < 3 ? d(r) : c > 3 ? d(target, key, r) : d(target, key)) || r;
    return (c > 3 && r && Object.defineProperty(target, key, r), r);
  };
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PostageModule } from 'nestjs-postage';
/** A microservice with these controllers on one connection, listening. The caller closes it. */
export const startReceiver = async (options, controllers, extra = {}, configure = () => undefined) => {
  let Receiver = class Receiver {};
  Receiver = __decorate(
    [
      Module({
        imports: [...(extra.imports ?? []), PostageModule.forRoot(options)],
        controllers,
        providers: [...(extra.providers ?? [])],
      }),
    ],
    Receiver,
  );
  const app = await NestFactory.createMicroservice(Receiver, {
    ...PostageModule.microservice(),
    logger: false,
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
