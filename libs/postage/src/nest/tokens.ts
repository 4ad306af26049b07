import type { InjectionToken, Type } from '@nestjs/common';
import type { ApplicationMember } from '../application/application-member.js';
import type { ApplicationProducer } from '../application/application-producer.js';
import type { FleetDirectory } from '../application/fleet-directory.js';
import type { ApplicationLifecycle } from '../application/lifecycle.js';
import { PostageConnection } from '../connection/connection.js';
import { GenericConsumer } from '../consumer/generic-consumer.js';
import type { GenericProducer } from '../producer/generic-producer.js';
import { RpcCaller } from '../producer/rpc-caller.js';
import { PostageHealthIndicator } from './postage.health.js';
import { PostageState } from './postage.state.js';

/** A producer class, whatever its constructor asks Nest for. */
export type ProducerClass<P extends GenericProducer = GenericProducer> = Type<P>;

const named = (what: string, name: string | undefined): string =>
  `postage ${what}${name === undefined ? '' : ` (${name})`}`;

export const optionsToken = (name?: string): string => named('options', name);
/** Nest shows it to whoever forgot the import. */
export const messagingToken = (name?: string): string =>
  name === undefined ? 'PostageModule.forRoot()' : `PostageModule.forRoot({ name: "${name}" })`;
export const serverToken = (name?: string): string => named('server', name);
export const drainToken = (name?: string): string => named('drain', name);

/** The unnamed connection's services are injected by their class, those of a named one by these tokens. */
export const connectionToken = (name?: string): InjectionToken =>
  name === undefined ? PostageConnection : named('connection', name);
export const consumerToken = (name?: string): InjectionToken =>
  name === undefined ? GenericConsumer : named('consumer', name);

export const rpcCallerToken = (name?: string): InjectionToken =>
  name === undefined ? RpcCaller : named('rpc caller', name);

export const stateToken = (name?: string): InjectionToken =>
  name === undefined ? PostageState : named('state', name);
export const healthToken = (name?: string): InjectionToken =>
  name === undefined ? PostageHealthIndicator : named('health', name);

/** The services of an application that can be addressed, and talks to others. */
export type ApplicationService =
  typeof ApplicationProducer | typeof ApplicationMember | typeof ApplicationLifecycle | typeof FleetDirectory;

export const serviceToken = (service: ApplicationService, name?: string): InjectionToken =>
  name === undefined ? service : named(service.name, name);

/** Of the unnamed connection, a producer is injected by its class too. */
export const producerToken = (producer: ProducerClass, name?: string): InjectionToken =>
  name === undefined ? producer : `${named('producer', name)} ${producer.name}`;
