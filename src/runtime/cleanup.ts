/** What must be closed again, last opened first. Node 20 has `await using`, but not yet AsyncDisposableStack. */
export class Cleanup implements AsyncDisposable {
  private tasks: (() => unknown)[] = [];

  defer(task: () => unknown): void {
    this.tasks.push(task);
  }

  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  /** Hands everything to a new owner; this one has nothing left to close. */
  move(): Cleanup {
    const owner = new Cleanup();
    owner.tasks = this.tasks;
    this.tasks = [];
    return owner;
  }

  /** Runs every task even where one fails; rejects with the first failure. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const task of this.tasks.splice(0).toReversed()) {
      try {
        await task();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0] as Error;
  }
}
