/** A version that is kept, and whether this call made it. */
export interface KeptVersion {
  readonly version: number;
  readonly created: boolean;
}

/** How numbered versions of one name are read and written, inside one transaction. */
interface Versions {
  /** The highest version there is, and whether its content is the one to be kept. */
  newest(): Promise<{ readonly version: number; readonly same: boolean } | undefined>;
  /** False where somebody else has just taken the number. */
  insert(version: number): Promise<boolean>;
}

/** Keeps content under the next number, unless the newest version holds it already. */
export async function keepVersion(versions: Versions): Promise<KeptVersion> {
  for (;;) {
    const newest = await versions.newest();
    if (newest?.same === true) return { version: newest.version, created: false };
    const version = (newest?.version ?? 0) + 1;
    if (await versions.insert(version)) return { version, created: true };
    // The insert waited for the other one's commit, so the next look sees what that one kept.
  }
}
