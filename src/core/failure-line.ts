/** Longest message kept of a failure: rows, events and histories carry it, people read one line of it. */
const FAILURE_CHARS = 1_000;
/** More of a message is not even looked at. */
const READ_CHARS = 10_000;
/** What would write lines of its own into logs and terminals. */
const INVISIBLE = /[\p{Cc}\p{Cf}\s]+/gu;
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/\b(?:sk|pk|rk|gsk|xai|hf|nvapi|ghp|github_pat|glpat|xox[abp])[-_][\w-]{8,}/gi, '[key]'],
  [/\bAKIA[0-9A-Z]{16}\b/g, '[key]'],
  [/\bBearer\s+\S+/gi, '[key]'],
  [/:\/\/[^\s/@:]*:[^\s/@]*@/g, '://[login]@'],
  [/\b(password|passwd|secret|token|api[-_]?key)=\S+/gi, '$1=[key]'],
];

/**
 * What an error says, as one line for rows, logs and terminals, whatever it says: without control characters, without what
 * looks like a key or a login, without what PostgreSQL cannot keep, and with so many characters at most.
 */
export function failureLine(message: string, mostChars: number = FAILURE_CHARS): string {
  let line = message.slice(0, READ_CHARS).replaceAll(INVISIBLE, ' ').trim();
  for (const [secret, instead] of SECRETS) line = line.replaceAll(secret, instead);
  const short =
    line.length > mostChars || message.length > READ_CHARS ? `${line.slice(0, mostChars)}...` : line;
  return short.replaceAll(/\p{Surrogate}/gu, '\ufffd') || 'nothing was said of it';
}

/** What was thrown, in words; reading it never throws, whatever it is. */
export function wordsOf(thrown: unknown): string {
  try {
    const told = typeof thrown === 'object' && thrown !== null && 'message' in thrown;
    return told ? String(thrown.message) : String(thrown);
  } catch {
    return 'something that cannot be read';
  }
}
