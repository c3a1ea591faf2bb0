/** The first instant of the local month that this time lies in; `monthsLater` moves on by whole months. Epoch milliseconds. */
export function monthStart(timestamp: number, monthsLater: number = 0): number {
  const date = new Date(timestamp);
  return new Date(date.getFullYear(), date.getMonth() + monthsLater).getTime();
}
