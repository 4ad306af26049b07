import { BrokerError, ConnectionError, type ConnectionErrorCode } from '../errors.js';
import type { Reason } from './refusal-reason.js';
import { explainTls } from './tls-errors.js';

/** amqplib puts AMQP's reply code on `code`; node puts strings such as ECONNREFUSED there. */
const amqpCodeOf = (error: unknown): number | undefined => {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'number' ? error.code : undefined;
};

/** What RabbitMQ itself said, without the words that amqplib puts around it. */
const replyTextOf = (message: string): string => /with message "(.*)"$/s.exec(message)?.[1] ?? message;

/** An error of amqplib as one of ours. */
export const toBrokerError = (error: unknown): BrokerError => {
  if (error instanceof BrokerError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new BrokerError(amqpCodeOf(error), replyTextOf(message), { cause: error });
};

/** amqplib's words for a close instead of open-ok; it drops what the broker said. */
export const isVhostRefusal = (error: unknown): boolean =>
  error instanceof Error && /Expected ConnectionOpenOk; got <ConnectionClose/.test(error.message);

const NO_LOGIN = /ACCESS[_-]REFUSED|Socket closed abruptly during opening handshake.*403/;
const NO_VHOST = /ConnectionOpenOk|NOT_ALLOWED|vhost .* not found|access to vhost/i;
const FULL = /limit .*is reached/s;
const DOWN = /vhost .* is down|^INTERNAL_ERROR/s;
const CUT_SHORT = /Socket closed abruptly|read ECONNRESET|exceeds maxFrameSize|Invalid frame/;

/**
 * Why a connection could not be opened: what waiting does not cure is told apart from what it does. The text names the
 * address, never the credentials.
 * @param reason what the broker says of a virtual host that it refused, which amqplib does not pass on
 */
export const toConnectionError = (error: unknown, address: string, reason?: Reason): ConnectionError => {
  const said = reason?.kind === 'refused' ? reason.text : undefined;
  const text = said ?? (error instanceof Error && error.message !== '' ? error.message : describeCode(error));
  const as = (code: ConnectionErrorCode, message: string): ConnectionError =>
    new ConnectionError(code, message, { cause: error });
  const tls = explainTls(error);
  if (tls !== undefined)
    return as('TLS_FAILED', `no TLS connection to ${address}: ${tls.problem}. ${tls.remedy}`);
  if (FULL.test(text)) {
    return as(
      'LIMIT_REACHED',
      `the broker at ${address} has as many connections as it may have: ${plain(text)}. Close some, or raise the limit (rabbitmqctl list_vhost_limits, list_user_limits).`,
    );
  }
  if (reason?.kind === 'admitted') {
    return as(
      'CONNECTION_FAILED',
      `the broker at ${address} refused the virtual host, and a moment later did not`,
    );
  }
  if (DOWN.test(text))
    return as('CONNECTION_FAILED', `the broker at ${address} is not ready: ${plain(text)}`);
  if (NO_LOGIN.test(text)) {
    return as(
      'ACCESS_REFUSED',
      `the broker at ${address} refused the user name or password. Check POSTAGE_USER and POSTAGE_PASSWORD, or the credentials in the connection options (note that RabbitMQ lets "guest" in from localhost only).`,
    );
  }
  if (NO_VHOST.test(text)) {
    const why = said === undefined ? 'it does not exist, or the user has no permission for it' : plain(said);
    return as(
      'VHOST_REFUSED',
      `the broker at ${address} refused the virtual host: ${why}. Check POSTAGE_VHOST, or create it (rabbitmqctl add_vhost, set_permissions).`,
    );
  }
  return as('CONNECTION_FAILED', `no connection to ${address}: ${text}${hintAt(text, address)}`);
};

/** Without the name of the reply code. */
const plain = (text: string): string => text.replace(/^[A-Z_]+ - /, '');

/** A listener for TLS hangs up on plain AMQP without a word that amqplib could pass on. */
const hintAt = (text: string, address: string): string =>
  CUT_SHORT.test(text) && address.startsWith('amqp:')
    ? '. If this is a port for TLS, use an amqps:// URL, or tls: true; if it is none of AMQP, another port'
    : '';

const describeCode = (error: unknown): string => {
  if (error instanceof AggregateError) {
    return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join('; ');
  }
  return String(error);
};
