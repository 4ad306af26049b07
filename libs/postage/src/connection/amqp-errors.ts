import { BrokerError, ConnectionError } from '../errors.js';

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

const isVhostRefusal = (message: string): boolean =>
  /ConnectionOpenOk|NOT_ALLOWED|vhost .* not found|access to vhost/i.test(message);

/**
 * Why a connection could not be opened. Refused credentials and a refused vhost are told apart from a broker that is
 * not there: only the latter gets better by waiting. The text names the address, never the credentials.
 */
export const toConnectionError = (error: unknown, address: string): ConnectionError => {
  const message = error instanceof Error && error.message !== '' ? error.message : describeCode(error);
  if (/ACCESS_REFUSED|ACCESS-REFUSED|Socket closed abruptly during opening handshake.*403/.test(message)) {
    return new ConnectionError(
      'ACCESS_REFUSED',
      `the broker at ${address} refused the user name or password. Check POSTAGE_USER and POSTAGE_PASSWORD, or the credentials in the connection options (note that RabbitMQ lets "guest" in from localhost only).`,
      { cause: error },
    );
  }
  if (isVhostRefusal(message)) {
    return new ConnectionError(
      'VHOST_REFUSED',
      `the broker at ${address} refused the virtual host: it does not exist, or the user has no permission for it. Check POSTAGE_VHOST, or create it (rabbitmqctl add_vhost, set_permissions).`,
      { cause: error },
    );
  }
  return new ConnectionError('CONNECTION_FAILED', `no connection to ${address}: ${message}`, {
    cause: error,
  });
};

const describeCode = (error: unknown): string => {
  if (error instanceof AggregateError) {
    return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join('; ');
  }
  return String(error);
};
