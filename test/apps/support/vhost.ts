import { onTestFinished } from 'vitest';
import { createVhost, type Vhost } from '../../support/rabbit.js';

/** A virtual host for one test: the apps' names are fixed. Programs that are started later end before it is deleted. */
export const freshVhost = async (): Promise<Vhost> => {
  const vhost = await createVhost('apps');
  onTestFinished(() => vhost.delete());
  return vhost;
};
