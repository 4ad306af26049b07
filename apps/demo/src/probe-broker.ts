import { Logger } from '@nestjs/common';
import { PostageClient, type PostageEvent } from 'nestjs-postage';

export type Probe =
  { readonly reached: true; readonly address: string } | { readonly reached: false; readonly error: Error };

const CONNECT_TIMEOUT_MS = 2_000;

/**
 * Tries once to connect to where the environment and the defaults lead. Whatever keeps us out counts as not reached:
 * nothing listens, something else than RabbitMQ does, or it refuses the user.
 * @throws {InvalidOptionError} the environment itself is wrong
 */
export const probeBroker = async (): Promise<Probe> => {
  // A broker that is not there is an answer here, not an error to be logged.
  Logger.overrideLogger(false);
  let conclude: (probe: Probe) => void = () => undefined;
  const concluded = new Promise<Probe>((resolve) => {
    conclude = resolve;
  });
  const observer = (event: PostageEvent): void => {
    if (event.kind === 'connection.ready') conclude({ reached: true, address: event.address });
    if (event.kind === 'connection.failed') conclude({ reached: false, error: event.error });
  };
  const client = new PostageClient({
    eks: [],
    connection: { connectTimeoutMs: CONNECT_TIMEOUT_MS },
    observer,
  });
  // It would try for ever; the observer hears of the first attempt, whichever way it ends.
  client.connect().catch(() => undefined);
  const probe = await concluded;
  await client.close();
  return probe;
};
