import type { MessageBody } from '../wire/body.js';

/** A filter with the further arguments it was registered with. */
export interface BoundFilter {
  /**
   * Looks at, changes or replaces the content before a handler gets it. Returning nothing keeps the content, with whatever
   * was changed in it; throwing keeps the message from this handler.
   */
  readonly filter: (content: unknown, ...args: readonly unknown[]) => unknown;
  readonly args: readonly unknown[];
}

/** Runs filters in sequence. Rejects with whatever a filter throws. */
export const applyFilters = async (
  filters: readonly BoundFilter[],
  content: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> => {
  let current: unknown = content;
  for (const { filter, args } of filters) {
    const result = await filter(current, ...args);
    if (result !== undefined) current = result;
  }
  // A filter's word is final: what it returns is the content from here on, whatever it is.
  return current as Readonly<Record<string, unknown>>;
};

/** The body as a handler gets it, or what a filter threw. */
export type Filtered = { readonly body: MessageBody } | { readonly refusal: unknown };

export const filterBody = async (body: MessageBody, filters: readonly BoundFilter[]): Promise<Filtered> => {
  if (filters.length === 0) return { body };
  try {
    return { body: { ...body, content: await applyFilters(filters, body.content) } };
  } catch (refusal) {
    return { refusal };
  }
};
