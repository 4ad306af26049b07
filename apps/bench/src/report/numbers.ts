import type { Summary } from '../statistics.js';

/** Three significant digits are more than the noise leaves. */
export const shortNumber = (value: number): string => {
  const size = Math.abs(value);
  if (size >= 999.5) return Math.round(value).toLocaleString('en-US');
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
};

/** `2,345 ± 1 %`; without the spread when there was one round only. */
export const withSpread = ({ median, spread, rounds }: Summary): string => {
  if (rounds < 2) return shortNumber(median);
  const percent = median === 0 ? 0 : Math.abs(spread / median) * 100;
  return `${shortNumber(median)} ± ${percent < 0.95 ? percent.toFixed(1) : percent.toFixed(0)} %`;
};
