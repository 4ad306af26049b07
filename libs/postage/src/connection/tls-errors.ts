/** What is wrong with a TLS connection, and what to do. */
export interface TlsProblem {
  readonly problem: string;
  readonly remedy: string;
}

const CERTIFICATE_OF_BROKER: Readonly<Record<string, TlsProblem>> = {
  CERT_HAS_EXPIRED: {
    problem: "the broker's certificate has expired",
    remedy: 'Renew it (or correct the clock of this machine).',
  },
  CERT_NOT_YET_VALID: {
    problem: "the broker's certificate is not valid yet",
    remedy: 'Correct the clock of this machine, or of whoever made it.',
  },
  CERT_REVOKED: { problem: "the broker's certificate has been revoked", remedy: 'Give the broker another.' },
};

const UNTRUSTED =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_(UNTRUSTED|REJECTED|CHAIN_TOO_LONG|SIGNATURE_FAILURE)|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED|CRL_\w+)$/;
/** Alerts of the broker about our certificate. In TLS 1.2 a missing one is a plain handshake failure. */
const OUR_CERTIFICATE =
  /^ERR_SSL_(TLSV13_ALERT_CERTIFICATE_REQUIRED|(SSLV3|TLSV1)_ALERT_(BAD_CERTIFICATE|CERTIFICATE_\w+|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE))$/;
const NO_TLS = /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|UNKNOWN_PROTOCOL|HTTP_REQUEST)$/;
/** The broker itself is in trouble: that may pass. */
const PASSING = /INTERNAL_ERROR|USER_CANCELLED|CLOSE_NOTIFY/;

/**
 * Explains why TLS failed; undefined when it was something else, such as a connection that ended meanwhile.
 * @see https://nodejs.org/api/tls.html#x509-certificate-error-codes
 */
export const explainTls = (error: unknown): TlsProblem | undefined => {
  const { code, reason } = factsOf(error);
  if (code === undefined || PASSING.test(code)) return undefined;
  const ofBroker = CERTIFICATE_OF_BROKER[code];
  if (ofBroker !== undefined) return ofBroker;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return {
      problem: `the broker's certificate is for another name (${reason ?? code})`,
      remedy: 'Connect to a name that it holds, or say with tls.servername which name to expect.',
    };
  }
  if (UNTRUSTED.test(code)) {
    return {
      problem: `the broker's certificate is not signed by an authority that this process trusts (${code})`,
      remedy: "Give that authority's certificate as tls.ca (or by NODE_EXTRA_CA_CERTS).",
    };
  }
  return explainHandshake(code, reason);
};

const explainHandshake = (code: string, reason: string | undefined): TlsProblem | undefined => {
  if (OUR_CERTIFICATE.test(code)) {
    return {
      problem: `the broker does not accept our certificate, or the lack of one (${reason ?? code})`,
      remedy:
        'Give a certificate that an authority of the broker has signed (its ssl_options.cacertfile), and its key, as tls.cert and tls.key.',
    };
  }
  if (NO_TLS.test(code)) {
    return {
      problem: 'whatever listens there does not speak TLS',
      remedy: 'Use the port for TLS (normally 5671), or an amqp:// URL.',
    };
  }
  if (!code.startsWith('ERR_SSL_')) return undefined;
  return {
    problem: `this process and the broker do not come to terms (${reason ?? code})`,
    remedy: 'Compare tls.minVersion, tls.maxVersion and tls.ciphers with the ssl_options of the broker.',
  };
};

/** OpenSSL's own messages hold addresses of its memory and lines of its source: the reason alone is for people. */
const factsOf = (error: unknown): { code?: string | undefined; reason?: string | undefined } => {
  if (!(error instanceof Error)) return {};
  const { code, reason } = error as Error & { readonly code?: unknown; readonly reason?: unknown };
  // The same, where it was noticed while writing.
  const written = code === 'EPROTO' ? /SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1] : undefined;
  if (written !== undefined)
    return { code: `ERR_SSL_${written.toUpperCase().replaceAll(' ', '_')}`, reason: written };
  return {
    code: typeof code === 'string' ? code : undefined,
    reason: typeof reason === 'string' && reason !== '' ? reason : undefined,
  };
};
