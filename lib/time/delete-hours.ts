const HOUR = /^([01]\d|2[0-3])$/;

/** Hours of the day, of the process's time zone, in which something is to be done. */
export class DeleteHours {
  readonly #hours: readonly number[];

  private constructor(hours: readonly number[]) {
    this.#hours = hours;
  }

  /**
   * `"04"`, or several as `"04;16"`; `undefined` for what is none.
   *
   * Source: RocketMQ, `common/.../UtilAll.java`, `isItTimeToDo`.
   */
  static parse(text: string): DeleteHours | undefined {
    const hours = text.split(";");
    return hours.every((hour) => HOUR.test(hour)) ? new DeleteHours(hours.map(Number)) : undefined;
  }

  /** Whether this moment lies in one of them. An hour that a clock change repeats counts twice, one that it leaves out not at all. */
  includes(now: number): boolean {
    return this.#hours.includes(new Date(now).getHours());
  }

  /** When the last one began, at this moment or before. One that a clock change leaves out begins when the clock changes. */
  lastBegin(now: number): number {
    return Math.max(...this.#beginsAround(now).filter((begin) => begin <= now));
  }

  /** When the next one begins, after this moment. */
  nextBegin(now: number): number {
    return Math.min(...this.#beginsAround(now).filter((begin) => begin > now));
  }

  #beginsAround(now: number): readonly number[] {
    const today = new Date(now);
    const [year, month, day] = [today.getFullYear(), today.getMonth(), today.getDate()];
    return [-1, 0, 1].flatMap((distance) =>
      this.#hours.map((hour) => new Date(year, month, day + distance, hour).getTime()),
    );
  }
}
