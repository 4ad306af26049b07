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

  it.for([
    ["NOT_ALLOWED - vhost 'x' not found", 'VHOST_REFUSED', true],
    ["NOT_ALLOWED - access to vhost 'x' refused for user 'u'", 'VHOST_REFUSED', true],
    [
      "NOT_ALLOWED - access to vhost 'x' refused for user 'u': connection limit (1) is reached",
      'LIMIT_REACHED',
      false,
    ],
    [
      "INTERNAL_ERROR - access to vhost 'x' refused for user 'u': vhost 'x' is down",
      'CONNECTION_FAILED',
      false,
    ],
  ] as const)('tells %s as %s, once the broker has said why', ([text, code, permanent]) => {
    const closed = new Error('Expected ConnectionOpenOk; got <ConnectionClose channel:0>');
    const error = toConnectionError(closed, 'amqp://host:1/v', { kind: 'refused', text });
    expect(error).toMatchObject({ code, permanent, cause: closed });
    expect(error.message).toContain(text.replace(/^[A-Z_]+ - /, ''));
  });

  it('takes a virtual host that was refused once for a passing trouble when the broker lets us in right after', () => {
    const closed = new Error('Expected ConnectionOpenOk; got <ConnectionClose channel:0>');
    const error = toConnectionError(closed, 'amqp://host:1/v', { kind: 'admitted' });
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', permanent: false });
  });

  it.for([
    ['CERT_HAS_EXPIRED', undefined, 'expired'],
    ['CERT_NOT_YET_VALID', undefined, 'clock'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', undefined, 'tls.ca'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', undefined, 'tls.ca'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', "Host: a. is not in the cert's altnames: DNS:b", 'DNS:b'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tlsv13 alert certificate required', 'tls.cert'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'tlsv1 alert unknown ca', 'tls.cert'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'sslv3 alert handshake failure', 'tls.cert'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'wrong version number', '5671'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'tlsv1 alert protocol version', 'tls.minVersion'],
  ] as const)('tells %s as TLS_FAILED, with what to do', ([code, reason, part]) => {
    const openssl = Object.assign(new Error('80DC:error:0A00:SSL routines:../deps/x.c:1601:'), {
      code,
      reason,
    });
    const error = toConnectionError(openssl, 'amqps://host:1/v');
    expect(error).toMatchObject({ code: 'TLS_FAILED', permanent: true, cause: openssl });
    expect(error.message).toContain('amqps://host:1/v');
    expect(error.message).toContain(part);
    expect(error.message).not.toContain('deps');
  });

  it('knows a failure of TLS that was noticed while writing', () => {
    const text =
      'write EPROTO 80DC:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../x.c:1:';
    const error = toConnectionError(Object.assign(new Error(text), { code: 'EPROTO' }), 'amqps://host:1/v');
    expect(error).toMatchObject({ code: 'TLS_FAILED' });
  });

  it.for([
    ['ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR', 'tlsv1 alert internal error'],
    ['ECONNRESET', undefined],
  ] as const)('takes %s in a handshake for something that may pass', ([code, reason]) => {
    const error = toConnectionError(Object.assign(new Error('ended'), { code, reason }), 'amqps://host:1/v');
    expect(error).toMatchObject({ code: 'CONNECTION_FAILED', permanent: false });
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
