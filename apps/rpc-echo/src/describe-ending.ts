import { PublishError, RpcTimeoutError, type RpcException, type RpcResult } from 'nestjs-postage';
import { ZeroDivisionError } from './endings.contract.js';

/** Tells how a call ended. What the receiver made of it is a result to look at; a request that got nowhere throws. */
export const describeEnding = async (call: Promise<RpcResult>): Promise<string> => {
  try {
    const result = await call;
    switch (result.type) {
      case 'success':
        return line('success', String(result.value));
      case 'error':
        return line('error', result.message);
      case 'exception':
        return describeException(result);
    }
  } catch (error) {
    if (!(error instanceof PublishError && error.code === 'UNROUTABLE')) throw error;
    return line('unroutable', error.message);
  }
};

/**
 * No answer in time is an exception result too, with the value `TimeoutError`, as in Python Postage. A handler may have
 * thrown something of that name: what `unwrap()` throws tells the two apart.
 */
const describeException = (result: RpcException): string => {
  try {
    return result.unwrap();
  } catch (error) {
    if (error instanceof RpcTimeoutError) return line('timeout', error.message);
    const known = error instanceof ZeroDivisionError ? ' (caught by its class)' : '';
    return line('exception', `${result.value}: ${result.message}${known}`);
  }
};

const line = (ending: string, text: string): string => ending.padEnd(13) + text;
