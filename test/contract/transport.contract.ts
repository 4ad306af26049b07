import { describe } from 'vitest';
import { cancellingContract } from './parts/cancelling.contract.js';
import { connectionContract } from './parts/connection.contract.js';
import { consumingContract } from './parts/consuming.contract.js';
import { contentContract } from './parts/content.contract.js';
import { deadLetterCirclesContract } from './parts/dead-letter-circles.contract.js';
import { deadLetteringContract } from './parts/dead-lettering.contract.js';
import { declaringContract } from './parts/declaring.contract.js';
import { detoursContract } from './parts/detours.contract.js';
import { directReplyAddressesContract } from './parts/direct-reply-addresses.contract.js';
import { directReplyToContract } from './parts/direct-reply-to.contract.js';
import { expiringContract } from './parts/expiring.contract.js';
import { lifetimeContract } from './parts/lifetime.contract.js';
import { limitsContract } from './parts/limits.contract.js';
import { publishingContract } from './parts/publishing.contract.js';
import { redeclaringContract } from './parts/redeclaring.contract.js';
import { refusingContract } from './parts/refusing.contract.js';
import { routingContract } from './parts/routing.contract.js';
import { settlingContract } from './parts/settling.contract.js';
import type { Subject } from './subject.js';

const PARTS = [
  connectionContract,
  declaringContract,
  redeclaringContract,
  refusingContract,
  lifetimeContract,
  routingContract,
  detoursContract,
  contentContract,
  publishingContract,
  consumingContract,
  cancellingContract,
  settlingContract,
  limitsContract,
  expiringContract,
  deadLetteringContract,
  deadLetterCirclesContract,
  directReplyToContract,
  directReplyAddressesContract,
];

/** What every `Driver` promises, checked on RabbitMQ and on `MemoryBroker` alike. */
export const transportContract = (subject: Subject): void => {
  describe(`the transport contract on ${subject.name}`, () => {
    for (const define of PARTS) define(subject);
  });
};
