import * as postage from 'nestjs-postage';
import * as testing from 'nestjs-postage/testing';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { textOf } from './sources.js';

/** The public surface. A name added here is a promise; a name taken away is a breaking change. */
const ENTRIES = [
  {
    entry: 'nestjs-postage',
    barrel: 'libs/postage/src/index.ts',
    module: postage,
    // prettier-ignore
    values: [
      'Address', 'AddressedProducer', 'ApplicationLifecycle', 'ApplicationMember', 'ApplicationProducer',
      'BrokerError', 'CallAbandonedError', 'ConnectionError', 'Content', 'DEFAULT_EXCHANGE',
      'DuplicateHandlerError', 'EncodingError', 'Fingerprint', 'FleetDirectory', 'Gathering',
      'GenericApplication', 'GenericApplicationExchange', 'GenericApplicationStatusExchange',
      'GenericConsumer', 'GenericMessage', 'GenericProducer', 'InjectApplication', 'InjectConsumer',
      'InjectPostageHealth', 'InjectPostageState', 'InjectProducer', 'InvalidOptionError', 'JsonEncoder',
      'MESSAGE_VERSION', 'MalformedMessageError', 'Message', 'MessageCommand', 'MessageFilter',
      'MessageHandler', 'MessageHandlerFullBody', 'MessageResult', 'MessageResultError',
      'MessageResultException', 'MessageStatus', 'Parameters', 'PostageClient', 'PostageConnection',
      'PostageContext', 'PostageError', 'PostageHealthIndicator', 'PostageModule', 'PostageServer',
      'PostageState', 'Processor', 'Producer', 'PublishError', 'PublishErrors', 'Reject', 'RemoteError',
      'RemoteException', 'Reply', 'ReplyQueue', 'Requeue', 'Retry', 'RetryLater', 'RpcCaller', 'RpcCommand',
      'RpcHandler', 'RpcTimeoutError', 'Sender', 'TopologyError', 'defineEks', 'defineEqk',
      'defineExchange', 'defineQueue', 'parseBody',
    ],
    // prettier-ignore
    types: [
      'AddressParts', 'AmqpTable', 'AmqpValue', 'ApplicationDescription', 'ApplicationEnd',
      'ApplicationOptions', 'BackoffOptions', 'Blocked', 'CallAnswer', 'CallClaim', 'CallOptions',
      'CallStore', 'ChannelPort', 'Compatibility', 'ConnectRequest', 'ConnectionErrorCode',
      'ConnectionOptions', 'ConnectionProvider', 'ConnectionSnapshot', 'ConnectionState',
      'ConnectionStatus', 'ConsumerSnapshot', 'ControlGuard', 'ControlRequest', 'DeclareMode', 'Delivery',
      'DeliveryFacts', 'Driver', 'Ek', 'Eks', 'Encoder', 'Eqk', 'EqkEntry', 'ErrorClass', 'Exchange',
      'ExchangeDefinition', 'ExchangeType', 'FingerprintDict', 'FingerprintLike', 'FingerprintOptions',
      'FingerprintTuple', 'FleetMember', 'GatherOptions', 'GenericApplicationOptions', 'Handler',
      'HandlerDecorator', 'JsonEncoderOptions', 'JsonValue', 'Link', 'MessageBody', 'MessageCategory',
      'MessageFacts', 'MessageMethod', 'MessageParts', 'MessageProperties', 'Observer', 'PauseTarget',
      'PostageClientOptions', 'PostageErrorCode', 'PostageEvent', 'PostageEvents', 'PostageFeatureOptions',
      'PostageHealthDetails', 'PostageHealthResult', 'PostageMicroservice', 'PostageModuleAsyncOptions',
      'PostageModuleOptions', 'PostageOptions', 'PostageOptionsFactory', 'PostagePhase',
      'PostageServerOptions', 'PostageSnapshot', 'PostageStatus', 'PresenceOptions', 'ProcessorOptions',
      'ProducerOf', 'ProducerOptions', 'PublishErrorCode', 'PublishTarget', 'PublishingOptions', 'Queue',
      'QueueBinding', 'QueueDefinition', 'QueueFlags', 'QueueOnly', 'QueueSpec', 'QueueType',
      'RecentCallsOptions', 'RefreshOptions', 'RemoteErrorDefinition', 'RemoteFailure', 'ReplyFunction',
      'RestartMethod', 'RetryLaterOptions', 'RetryPolicy', 'RpcException', 'RpcFailure', 'RpcMethod',
      'RpcResult', 'RpcSnapshot', 'RpcSuccess', 'RpcTimeoutFacts', 'StartupMode', 'StartupOptions',
      'TopologyRefusal', 'WhatFollows',
    ],
  },
  {
    entry: 'nestjs-postage/testing',
    barrel: 'libs/postage/src/testing/index.ts',
    module: testing,
    values: ['MemoryBroker'],
    // prettier-ignore
    types: [
      'BrokerSnapshot', 'ConsumerSnapshot', 'ExchangeSnapshot', 'LinkSnapshot', 'MemoryBrokerOptions',
      'MemoryClock', 'MessageSnapshot', 'QueueSnapshot',
    ],
  },
] as const;

/** What the first release was announced with. */
const PROMISED_VALUES: readonly (keyof typeof postage)[] = [
  'Address',
  'ApplicationProducer',
  'Content',
  'FleetDirectory',
  'GenericApplication',
  'GenericConsumer',
  'GenericProducer',
  'InjectProducer',
  'MessageCommand',
  'MessageFilter',
  'MessageHandler',
  'MessageHandlerFullBody',
  'MessageResult',
  'MessageStatus',
  'Parameters',
  'PostageClient',
  'PostageContext',
  'PostageModule',
  'PostageServer',
  'Processor',
  'Producer',
  'RemoteError',
  'RemoteException',
  'Reply',
  'ReplyQueue',
  'RpcCommand',
  'RpcHandler',
  'RpcTimeoutError',
  'Sender',
  'defineExchange',
];
const PROMISED_TYPES = [
  'FingerprintDict',
  'Handler',
  'MessageBody',
  'MessageMethod',
  'ProducerOf',
  'ReplyFunction',
  'RpcMethod',
  'RpcResult',
];

/** The names that a barrel exports, and the modules that it exports whole. */
const exportsOf = (barrel: string) => {
  const { statements } = ts.createSourceFile(barrel, textOf(barrel), ts.ScriptTarget.Latest);
  const declarations = statements.filter(ts.isExportDeclaration);
  const names = declarations.flatMap(({ exportClause, isTypeOnly }) =>
    exportClause && ts.isNamedExports(exportClause)
      ? exportClause.elements.map(({ name, isTypeOnly: own }) => ({
          name: name.text,
          isType: isTypeOnly || own,
        }))
      : [],
  );
  const isUnnamed = (statement: ts.Statement): boolean =>
    !ts.isExportDeclaration(statement) ||
    !statement.exportClause ||
    !ts.isNamedExports(statement.exportClause);
  return {
    types: names.filter(({ isType }) => isType).map(({ name }) => name),
    unnamed: statements.filter(isUnnamed).length,
  };
};

describe.each(ENTRIES)('$entry', ({ barrel, module, values, types }) => {
  it('exports these values', () => {
    expect(Object.keys(module).toSorted()).toEqual([...values]);
  });

  it('exports these types', () => {
    expect(exportsOf(barrel).types.toSorted()).toEqual([...types]);
  });

  it('exports by name and does nothing else', () => {
    expect(exportsOf(barrel).unnamed).toBe(0);
  });
});

describe('the first release', () => {
  it('keeps what was promised', () => {
    expect(Object.keys(postage)).toEqual(expect.arrayContaining([...PROMISED_VALUES]));
    expect(Object.keys(testing)).toContain('MemoryBroker');
    expect(exportsOf('libs/postage/src/index.ts').types).toEqual(expect.arrayContaining(PROMISED_TYPES));
  });
});
