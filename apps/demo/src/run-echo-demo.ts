import { Module, type INestApplicationContext, type LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PostageModule, type PostageModuleOptions, type PostageOptions } from 'nestjs-postage';
import { captureConsole } from './capture-console.js';
import type { EchoDemo, EchoPrograms } from './echo-demos.js';
import { Expectations } from './expectations.js';
import { Transcript } from './transcript.js';

/** The transcript shows what travels: of the log only what goes wrong is left. */
const QUIET = { logger: ['fatal', 'error', 'warn'] satisfies LogLevel[], abortOnError: false };

/** Runs a receiver and a sender to the end, and shows what travels between them. @throws when something did not arrive */
export const runEchoDemo = async (
  { title, programs, prints, ...fingerprints }: EchoDemo,
  connection: PostageOptions['connection'],
): Promise<void> => {
  console.log(`\n${title}\n`);
  const transcript = new Transcript(console.log);
  const expectations = new Expectations(prints);
  const releaseConsole = captureConsole((line) => {
    transcript.printed(line);
    expectations.printed(line);
  });
  const optionsOf = (who: 'sender' | 'receiver'): PostageModuleOptions => ({
    connection,
    fingerprint: fingerprints[who],
    // What makes the observer hear of every message.
    debug: true,
    observer: (event) => {
      transcript.observed(who, event);
      expectations.observe(event);
    },
  });
  const running: INestApplicationContext[] = [];
  try {
    running.push(await startReceiver(programs, optionsOf('receiver')));
    const sender = await createSender(programs, optionsOf('sender'));
    running.push(sender);
    await sender.get(programs.EchoSender).run();
    await expectations.met();
  } finally {
    for (const app of running.toReversed()) await app.close();
    releaseConsole();
  }
};

@Module({})
class Receiver {}

const startReceiver = async (
  { EchoReceiveProcessor }: EchoPrograms,
  options: PostageModuleOptions,
): Promise<INestApplicationContext> => {
  const imports = [PostageModule.forRoot(options)];
  const root = { module: Receiver, imports, controllers: [EchoReceiveProcessor] };
  const app = await NestFactory.createMicroservice(root, { ...PostageModule.microservice(), ...QUIET });
  try {
    await app.listen();
  } catch (error) {
    await app.close();
    throw error;
  }
  return app;
};

@Module({})
class Sender {}

const createSender = (
  { EchoProducer, EchoSender }: EchoPrograms,
  options: PostageModuleOptions,
): Promise<INestApplicationContext> => {
  const imports = [PostageModule.forFeature([EchoProducer]), PostageModule.forRoot(options)];
  return NestFactory.createApplicationContext({ module: Sender, imports, providers: [EchoSender] }, QUIET);
};
