/**
 * When what one sender says may be read before it is in the log: not while anything that it said earlier is on its way by
 * the log alone, and by nobody who has not looked at the log since. Times are the caller's.
 */
export class SenderOrder {
  private underWay = 0;
  private refused = false;

  /** `cleanSince`: by then the log had everything that was said by the log alone; at first, by earlier attempts. */
  constructor(public cleanSince: number) {}

  get mayOvertakeLog(): boolean {
    return this.underWay === 0 && !this.refused;
  }

  /** A message goes by the log alone. */
  left(): void {
    this.underWay += 1;
  }

  /** One that went by the log alone is there. */
  arrived(at: number): void {
    this.underWay -= 1;
    this.cleanSince = at;
  }

  /** Where one was refused, whatever follows will be too. */
  end(): void {
    this.refused = true;
  }
}
