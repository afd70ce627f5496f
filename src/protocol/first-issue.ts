/** What a schema objects to. */
export interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The first of them, as the rest of a sentence: where it is, and what. */
export function firstIssue([issue]: readonly Issue[]): string {
  const path = issue?.path.map(String).join('.') ?? '';
  return `${path && ` at ${path}`}: ${issue?.message}`;
}
