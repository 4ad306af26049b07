import { Inject, Injectable } from '@nestjs/common';
import { InvalidOptionError } from '../errors.js';
import { mergeCallOptions, type CallOptions } from '../producer/call-options.js';
import { defineEks, type Eks } from '../topology/binding.js';
import type { Encoder } from '../wire/encoder.js';
import {
  consumerToken,
  producerToken,
  serviceToken,
  type ApplicationService,
  type ProducerClass,
} from './tokens.js';

export interface ProducerOptions {
  /** The (exchange, key) couples that its messages go to; an rpc goes to the first. */
  readonly eks?: Eks | undefined;
  /** How its messages are written. @default the module's encoder */
  readonly encoder?: Encoder | undefined;
  /** What every call has unless `with(...)` says otherwise. */
  readonly defaults?: Omit<CallOptions, 'key' | 'eks' | 'queueOnly' | 'signal'> | undefined;
}

/** As `@Producer` leaves it on the class: checked, nothing undefined but the encoder. */
export interface ResolvedProducerOptions {
  readonly eks: Eks;
  readonly encoder: Encoder | undefined;
  readonly defaults: CallOptions;
}

const PRODUCER = Symbol.for('postage:producer');

/**
 * Says where a producer sends. Register the class with `PostageModule.forFeature([...])`.
 * @throws {InvalidOptionError} an option is wrong
 */
export const Producer =
  (options: ProducerOptions = {}): ClassDecorator =>
  (target) => {
    const { eks = [], encoder, defaults = {}, ...unknown } = options;
    const [stranger] = Object.keys(unknown);
    if (stranger !== undefined) {
      throw new InvalidOptionError(
        `@Producer ${target.name}: ${stranger}`,
        'is not an option. Known: eks, encoder, defaults.',
      );
    }
    const resolved: ResolvedProducerOptions = {
      eks: defineEks(eks, `@Producer ${target.name}: eks`),
      encoder,
      defaults: mergeCallOptions({}, defaults),
    };
    Reflect.defineMetadata(PRODUCER, resolved, target);
    Injectable()(target);
  };

/** What `@Producer` said of a class. */
export const producerOptionsOf = (producer: ProducerClass): ResolvedProducerOptions =>
  // Our own symbol: only the decorator above sets it.
  (Reflect.getMetadata(PRODUCER, producer) as ResolvedProducerOptions | undefined) ?? {
    eks: [],
    encoder: undefined,
    defaults: {},
  };

/**
 * Injects a producer, as `ProducerOf<...>`.
 * @param connection the name of its `PostageModule.forRoot({ name })`, in applications with several
 */
export const InjectProducer = (
  producer: ProducerClass,
  connection?: string,
): PropertyDecorator & ParameterDecorator => Inject(producerToken(producer, connection));

/** Injects the `GenericConsumer` of a named `PostageModule.forRoot({ name })`; the unnamed one is injected by its class. */
export const InjectConsumer = (connection?: string): PropertyDecorator & ParameterDecorator =>
  Inject(consumerToken(connection));

/**
 * Injects a service of a named `PostageModule.forRoot({ name })`: `ApplicationProducer`, `ApplicationMember`,
 * `ApplicationLifecycle` or `FleetDirectory`; those of the unnamed one are injected by their classes.
 */
export const InjectApplication = (
  service: ApplicationService,
  connection?: string,
): PropertyDecorator & ParameterDecorator => Inject(serviceToken(service, connection));
