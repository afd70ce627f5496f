const DETAIL_CHARS = 200;
const PROMPT_WINDOW_CHARS = 16;
const KEY_WINDOW_CHARS = 8;
/** Beyond this a failure's detail is left out rather than compared with the prompt. */
const COMPARABLE_PROMPT_CHARS = 2_000_000;

/** What must not come back in an error message. */
export interface Confidential {
  readonly keys: readonly string[];
  readonly prompt: readonly string[];
}

/** A provider's own words as one short line; undefined where they are HTML, or repeat the key or the prompt. */
export function readableDetail(text: string, { keys, prompt }: Confidential): string | undefined {
  if (/<\/?[a-z!]/i.test(text)) return undefined;
  const line = oneLine(text);
  if (line === '') return undefined;
  if (keys.some((key) => sharesWindow(text, key, KEY_WINDOW_CHARS))) return undefined;
  if (prompt.reduce((sum, part) => sum + part.length, 0) > COMPARABLE_PROMPT_CHARS) return undefined;
  if (prompt.some((part) => sharesWindow(line, oneLine(part), PROMPT_WINDOW_CHARS))) return undefined;
  return line.length > DETAIL_CHARS ? `${line.slice(0, DETAIL_CHARS - 1)}…` : line;
}

function oneLine(text: string): string {
  return (
    text
      // Control characters would let a provider write lines of its own into our logs.
      .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
      .replaceAll(/\b(?:sk|pk|rk|gsk|xai|hf|nvapi|key)[-_][\w*-]{4,}/gi, '[key]')
      .replaceAll(/\bBearer\s+\S+/gi, '[key]')
      .trim()
  );
}

/** Whether the two texts have a run of `size` characters in common; a shorter secret must occur whole. */
function sharesWindow(line: string, secret: string, size: number): boolean {
  if (secret.length < size / 2) return false;
  if (secret.length <= size) return line.includes(secret);
  for (let start = 0; start + size <= line.length; start += 1) {
    if (secret.includes(line.slice(start, start + size))) return true;
  }
  return false;
}
