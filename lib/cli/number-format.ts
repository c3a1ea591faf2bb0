const NUMBER = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const FIGURE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });

/** `20,000` */
export function count(value: number): string {
  return NUMBER.format(value);
}

/** Of the input, whatever it measures: `353`, `5.25` */
export function figure(value: number): string {
  return FIGURE.format(value);
}

/** `1 message`, `20,000 messages` */
export function counted(value: number, noun: string, plural: string = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}

/** `0.42 s` */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}

/** Per second; 0 where no time passed. */
export function rate(amount: number, ms: number): number {
  return ms > 0 ? Math.round((amount * 1_000) / ms) : 0;
}

/** Local time of epoch milliseconds: `2026-11-24 09:30:05`. */
export function localTime(timestamp: number): string {
  return new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" }).format(timestamp);
}
