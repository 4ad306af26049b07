import { amqpType } from './equivalence.js';
import type { BrokerMessage } from './message.js';
import { preconditionFailed } from './refusals.js';

/** @throws {BrokerError} 406: a property has a value that RabbitMQ refuses */
export const requireValidProperties = ({ properties }: BrokerMessage): void => {
  const { expiration, deliveryMode, headers } = properties;
  if (expiration !== undefined) requireExpiration(expiration);
  if (deliveryMode !== undefined && deliveryMode !== 1 && deliveryMode !== 2) {
    throw preconditionFailed(`invalid message: {delivery_mode_unknown,${deliveryMode}}`);
  }
  const CC = headers?.['CC'];
  if (CC !== undefined && !Array.isArray(CC)) {
    throw preconditionFailed(`invalid message: {unacceptable_type_in_header,"CC",${amqpType(CC)}}`);
  }
};

const requireExpiration = (expiration: string): void => {
  const [, digits, rest] = /^([+-]?\d+)(.*)$/s.exec(expiration) ?? [];
  if (digits === undefined) throw invalidExpiration(expiration, 'no_integer');
  if (rest !== '') throw invalidExpiration(expiration, `{leftover_string,"${rest}"}`);
  if (Number(digits) < 0) throw invalidExpiration(expiration, `{value_negative,${Number(digits)}}`);
};

const invalidExpiration = (expiration: string, problem: string): Error =>
  preconditionFailed(`invalid expiration '${expiration}': ${problem}`);
