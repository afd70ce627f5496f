import type { MailboxReader } from './mailbox-reader';

/** The readers that are open in this process, by run and member. */
export class LocalReaders {
  private readonly open = new Map<string, Set<MailboxReader>>();

  add(runId: string, member: string, reader: MailboxReader): void {
    const key = `${runId} ${member}`;
    this.open.set(key, (this.open.get(key) ?? new Set()).add(reader));
  }

  delete(runId: string, member: string, reader: MailboxReader): void {
    const key = `${runId} ${member}`;
    const readers = this.open.get(key);
    readers?.delete(reader);
    if (readers?.size === 0) this.open.delete(key);
  }

  /** The one reader of a mailbox. Of several, such as two attempts at one execution, each reads what the log brings. */
  only(runId: string, member: string): MailboxReader | undefined {
    const readers = this.open.get(`${runId} ${member}`);
    if (readers?.size !== 1) return undefined;
    const [reader] = readers;
    return reader;
  }
}
