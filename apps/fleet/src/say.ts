/** A line of the transcript. */
export const say = (step: string, text: string): void => console.log(step.padEnd(11) + text);
