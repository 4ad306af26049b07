/** The calls of one application at one moment. */
export interface RpcSnapshot {
  /** Calls, gatherings and handed out reply queues that have not ended. */
  readonly pending: number;
  /** Calls beyond `maxReplyQueues`: they wait, within their own deadlines. */
  readonly waiting: number;
  /** Replies that came when nobody waited for them any more, since the start. They are dropped. */
  readonly lateReplies: number;
  /** Private reply queues at the broker: one for calls to peers that echo correlation ids, and those that were asked for. */
  readonly replyQueues: number;
  /** Channels that listen for direct replies. */
  readonly directReplies: number;
}
