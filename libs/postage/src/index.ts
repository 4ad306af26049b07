export {
  BrokerError,
  CallAbandonedError,
  ConnectionError,
  DuplicateHandlerError,
  EncodingError,
  InvalidOptionError,
  MalformedMessageError,
  PostageError,
  PublishError,
  PublishErrors,
  RemoteError,
  RemoteException,
  RpcTimeoutError,
  TopologyError,
} from './errors.js';
export type {
  ConnectionErrorCode,
  PostageErrorCode,
  PublishErrorCode,
  PublishTarget,
  RpcTimeoutFacts,
  TopologyRefusal,
} from './errors.js';

export { MESSAGE_VERSION, parseBody } from './wire/body.js';
export type { MessageBody, MessageCategory } from './wire/body.js';
export type { Encoder } from './wire/encoder.js';
export { Fingerprint } from './wire/fingerprint.js';
export type {
  FingerprintDict,
  FingerprintLike,
  FingerprintOptions,
  FingerprintTuple,
} from './wire/fingerprint.js';
export { JsonEncoder } from './wire/json-encoder.js';
export type { JsonEncoderOptions } from './wire/json-encoder.js';
export type { JsonValue } from './wire/json.js';
export {
  GenericMessage,
  Message,
  MessageCommand,
  MessageResult,
  MessageResultError,
  MessageResultException,
  MessageStatus,
  RpcCommand,
} from './wire/message.js';
export type { MessageParts } from './wire/message.js';
export type { RpcException, RpcFailure, RpcResult, RpcSuccess } from './wire/rpc-result.js';

export { defineEks, defineEqk } from './topology/binding.js';
export type { Ek, Eks, Eqk, EqkEntry, QueueBinding } from './topology/binding.js';
export { DEFAULT_EXCHANGE, defineExchange } from './topology/exchange.js';
export type { ExchangeDefinition } from './topology/exchange.js';
export { defineQueue } from './topology/queue.js';
export type { Compatibility, QueueDefinition, QueueFlags, QueueSpec, QueueType } from './topology/queue.js';
export type { AmqpTable, AmqpValue, DeclareMode, Exchange, ExchangeType, Queue } from './topology/types.js';

export type {
  DeliveryFacts,
  MessageFacts,
  Observer,
  PostageEvent,
  WhatFollows,
} from './observability/observer.js';

export type { ConnectionProvider } from './connection/connection-source.js';
export type { BackoffOptions } from './connection/backoff.js';
export type { PublishingOptions } from './connection/publish-policy.js';
export type { StartupMode, StartupOptions } from './connection/startup.js';
export { PostageConnection } from './connection/connection.js';
export type { ConnectionSnapshot } from './connection/connection.js';
export type { ConnectionOptions } from './connection/options.js';
export type {
  ChannelPort,
  ConnectRequest,
  Delivery,
  Driver,
  Link,
  MessageProperties,
} from './connection/port.js';
export type { Blocked, ConnectionState } from './connection/state.js';

export type { CallOptions } from './producer/call-options.js';
export { Gathering } from './producer/gathering.js';
export type { GatherOptions } from './producer/gathering.js';
export { GenericProducer } from './producer/generic-producer.js';
export type { MessageMethod, ProducerOf, QueueOnly, RpcMethod } from './producer/producer-types.js';
export type { RemoteErrorDefinition, RemoteFailure } from './producer/remote-errors.js';
export { ReplyQueue } from './producer/reply-queue.js';
export { RpcCaller } from './producer/rpc-caller.js';
export type { RpcSnapshot } from './producer/rpc-snapshot.js';

export type { CallAnswer, CallClaim, CallStore } from './consumer/call-store.js';
export { GenericConsumer } from './consumer/generic-consumer.js';
export type { ConsumerSnapshot } from './consumer/consumed-queues.js';
export type { PauseTarget } from './consumer/pause-target.js';
export type { ReplyFunction } from './consumer/invocation.js';
export type { RecentCallsOptions } from './consumer/recent-calls-options.js';
export type { ErrorClass, RetryPolicy } from './consumer/retry-options.js';

export { Address } from './application/address.js';
export type { AddressParts } from './application/address.js';
export type { ApplicationDescription } from './application/application-description.js';
export { ApplicationMember } from './application/application-member.js';
export { GenericApplicationStatusExchange } from './application/application-options.js';
export type {
  ApplicationOptions,
  ControlGuard,
  ControlRequest,
  PresenceOptions,
  RestartMethod,
} from './application/application-options.js';
export { AddressedProducer, ApplicationProducer } from './application/application-producer.js';
export { GenericApplicationExchange } from './application/application-topology.js';
export type { FleetMember } from './application/fleet.js';
export { FleetDirectory } from './application/fleet-directory.js';
export type { RefreshOptions } from './application/fleet-directory.js';
export { ApplicationLifecycle } from './application/lifecycle.js';
export type { ApplicationEnd } from './application/lifecycle.js';

export { GenericApplication } from './nest/generic-application.js';
export type { GenericApplicationOptions } from './nest/generic-application.js';
export {
  MessageFilter,
  MessageHandler,
  MessageHandlerFullBody,
  RpcHandler,
} from './nest/handler.decorators.js';
export type { Handler, HandlerDecorator } from './nest/handler.decorators.js';
export { Reject, Requeue, RetryLater } from './nest/handler-errors.js';
export type { RetryLaterOptions } from './nest/handler-errors.js';
export { Content, Parameters, Reply, Sender } from './nest/param.decorators.js';
export { PostageClient } from './nest/postage.client.js';
export type { PostageClientOptions } from './nest/postage.client.js';
export { PostageContext } from './nest/postage.context.js';
export { PostageHealthIndicator } from './nest/postage.health.js';
export type { PostageHealthDetails, PostageHealthResult } from './nest/postage.health.js';
export { PostageModule } from './nest/postage.module.js';
export type {
  PostageFeatureOptions,
  PostageMicroservice,
  PostageModuleAsyncOptions,
  PostageModuleOptions,
  PostageOptionsFactory,
} from './nest/postage.module.js';
export type { PostageOptions, PostageServerOptions } from './nest/postage.options.js';
export type { ConnectionStatus, PostageSnapshot } from './nest/postage.snapshot.js';
export { PostageServer } from './nest/postage.server.js';
export type { PostageEvents, PostageStatus } from './nest/postage.server.js';
export { PostageState } from './nest/postage.state.js';
export { InjectPostageHealth, InjectPostageState } from './nest/state.decorators.js';
export type { PostagePhase } from './nest/phase.js';
export { Processor } from './nest/processor.decorator.js';
export type { ProcessorOptions } from './nest/processor.decorator.js';
export { Retry } from './nest/retry.decorator.js';
export { InjectApplication, InjectConsumer, InjectProducer, Producer } from './nest/producer.decorators.js';
export type { ProducerOptions } from './nest/producer.decorators.js';
