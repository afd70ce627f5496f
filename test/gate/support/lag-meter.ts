/** Measures how long the event loop was held at most, by a timer that should fire every few milliseconds. */
export class LagMeter implements Disposable {
  maxMs = 0;
  private last = performance.now();
  private readonly timer = setInterval(() => {
    const now = performance.now();
    this.maxMs = Math.max(this.maxMs, now - this.last - 5);
    this.last = now;
  }, 5);

  [Symbol.dispose](): void {
    clearInterval(this.timer);
    this.maxMs = Math.max(this.maxMs, performance.now() - this.last - 5);
  }
}
