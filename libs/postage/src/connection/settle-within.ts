/**
 * Waits for `work`, but never longer than `limitMs` and never with a rejection: for closing things whose peer may be
 * gone (amqplib's `close()` stays pending for ever when the socket dies before close-ok).
 */
export const settleWithin = async (work: Promise<unknown>, limitMs: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([work.catch(() => undefined), limit]);
  clearTimeout(timer);
};
