import { BrokerError } from '../../errors.js';

/** What RabbitMQ answers when it refuses: its codes and its words, which callers' error handling may look at. */
const IN_VHOST = `in vhost '/'`;

export const queueRef = (name: string): string => `queue '${name}' ${IN_VHOST}`;
export const exchangeRef = (name: string): string => `exchange '${name}' ${IN_VHOST}`;

export const accessRefused = (text: string): BrokerError => new BrokerError(403, `ACCESS_REFUSED - ${text}`);

export const notFound = (text: string): BrokerError => new BrokerError(404, `NOT_FOUND - ${text}`);

export const noExchange = (name: string): BrokerError => notFound(`no ${exchangeRef(name)}`);

export const noQueue = (name: string): BrokerError => notFound(`no ${queueRef(name)}`);

export const preconditionFailed = (text: string): BrokerError =>
  new BrokerError(406, `PRECONDITION_FAILED - ${text}`);

export const lockedQueue = (name: string): BrokerError =>
  new BrokerError(
    405,
    `RESOURCE_LOCKED - cannot obtain exclusive access to locked ${queueRef(name)}. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.`,
  );

export const reservedName = (kind: 'queue' | 'exchange', name: string): BrokerError =>
  accessRefused(`${kind} name '${name}' contains reserved prefix 'amq.*'`);

export const defaultExchange = (): BrokerError =>
  accessRefused('operation not permitted on the default exchange');

export const exclusiveUse = (queue: string): BrokerError =>
  accessRefused(`${queueRef(queue)} in exclusive use`);

/** AMQP calls it a connection exception: it takes the whole connection down, not one channel. */
export const unknownExchangeType = (type: string): BrokerError =>
  new BrokerError(503, `COMMAND_INVALID - unknown exchange type '${type}'`);

export const notImplemented = (text: string): BrokerError =>
  new BrokerError(540, `NOT_IMPLEMENTED - ${text}`);

export const internalError = (cause?: unknown): BrokerError =>
  new BrokerError(541, 'INTERNAL_ERROR', { cause });

const CONNECTION_EXCEPTIONS = new Set([320, 402, 501, 502, 503, 504, 505, 530, 540, 541]);

export const endsConnection = ({ amqpCode }: BrokerError): boolean =>
  amqpCode !== undefined && CONNECTION_EXCEPTIONS.has(amqpCode);
