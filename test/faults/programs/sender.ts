import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  defineExchange,
  GenericProducer,
  PostageModule,
  Producer,
  type Exchange,
  type PostageModuleOptions,
} from 'nestjs-postage';

/** Where the programs of these tests send to. */
export const Flood: Exchange = defineExchange({ name: 'flood', type: 'fanout' });

@Producer({ eks: [[Flood, '']] })
export class Numbers extends GenericProducer {}

/** An application that sends and does nothing else. */
export const startSender = (options: PostageModuleOptions): Promise<INestApplicationContext> => {
  @Module({
    imports: [PostageModule.forRoot({ log: false, ...options }), PostageModule.forFeature([Numbers])],
  })
  class Sender {}
  return NestFactory.createApplicationContext(Sender, { logger: false });
};
