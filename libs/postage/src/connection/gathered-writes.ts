import type { ChannelModel } from 'amqplib';

/** Where amqplib hands the frames of all channels to the socket, once in each turn of the event loop. */
const WRITE = '_readIncoming';

interface Muxer {
  [WRITE]: () => void;
  readonly out: { readonly cork: () => void; readonly uncork: () => void };
}

/**
 * Lets the frames of one turn of the event loop leave with one call of the system instead of one for each frame. amqplib has
 * no option for it; where it is built in another way than today, nothing changes.
 */
export const gatherWrites = (model: ChannelModel): void => {
  const { muxer } = model.connection as unknown as { muxer?: Partial<Muxer> };
  if (!isMuxer(muxer)) return;
  const { out } = muxer;
  const write = muxer[WRITE].bind(muxer);
  muxer[WRITE] = () => {
    out.cork();
    try {
      write();
    } finally {
      out.uncork();
    }
  };
};

const isMuxer = (muxer: Partial<Muxer> | undefined): muxer is Muxer =>
  typeof muxer?.[WRITE] === 'function' &&
  typeof muxer.out?.cork === 'function' &&
  typeof muxer.out.uncork === 'function';
