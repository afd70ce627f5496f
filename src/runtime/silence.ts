const LOOKS = 4;

/** Notices when somebody owes answers and gives none. */
export class Silence {
  private owed = 0;
  private looks = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limitMs: number,
    private readonly onSilent: () => void,
  ) {}

  /** Waits for an answer; any answer shows that those behind it will come. */
  async heard<T>(answer: Promise<T>): Promise<T> {
    this.owed += 1;
    this.timer ??= setInterval(() => this.look(), this.limitMs / LOOKS);
    try {
      return await answer;
    } finally {
      this.owed -= 1;
      this.looks = 0;
      if (this.owed === 0) this.rest();
    }
  }

  /** By looks instead of one time-out: a process that was frozen for an hour has missed all of them but one. */
  private look(): void {
    this.looks += 1;
    if (this.looks <= LOOKS) return;
    this.rest();
    this.onSilent();
  }

  private rest(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.looks = 0;
  }
}
