import { describe, expect, it } from 'vitest';
import { toBrokerError, toConnectionError } from './amqp-errors.js';

const handshake = (text: string): Error => new Error(`Handshake terminated by server: ${text}`);

describe('toConnectionError', () => {
  it.for([
    [
      handshake('403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused"'),
      'ACCESS_REFUSED',
      true,
    ],
    [handshake('530 (NOT-ALLOWED) with message "NOT_ALLOWED - vhost x not found"'), 'VHOST_REFUSED', true],
    [new Error('Expected ConnectionOpenOk; got <ConnectionClose channel:0>'), 'VHOST_REFUSED', true],
    [
      Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }),
      'CONNECTION_FAILED',
      false,
    ],
    [new Error('connect ETIMEDOUT'), 'CONNECTION_FAILED', false],
  ] as const)('tells %s as %s', ([error, code, permanent]) => {
    expect(toConnectionError(error, 'amqp://host:1/v')).toMatchObject({ code, permanent, cause: error });
  });

  it('lists what happened at each address of a host with several', () => {
    const both = new AggregateError([
      new Error('connect ECONNREFUSED ::1'),
      new Error('connect ECONNREFUSED 127.0.0.1'),
    ]);
    expect(toConnectionError(both, 'amqp://localhost:1/v').message).toContain(
      'ECONNREFUSED ::1; connect ECONNREFUSED 127.0.0.1',
    );
  });
});

describe('toBrokerError', () => {
  it("keeps the broker's own words and the AMQP code", () => {
    const error = Object.assign(
      new Error('Channel closed by server: 404 (NOT-FOUND) with message "NOT_FOUND - no queue"'),
      { code: 404 },
    );
    expect(toBrokerError(error)).toMatchObject({
      amqpCode: 404,
      message: 'NOT_FOUND - no queue',
      cause: error,
    });
  });

  it('takes no text for a code', () => {
    expect(toBrokerError(Object.assign(new Error('x'), { code: 'EPIPE' })).amqpCode).toBeUndefined();
  });
});
