/** Shown of any one name, pointer or value; the findings themselves hold them whole. */
const MAX_SHOWN_CHARS = 120;

/**
 * Names, versions and claims come from a file that anybody may have written, and the report is pasted where Markdown
 * is rendered: nothing of them may become a link, a mention, an image, HTML or a table cell.
 */
export function code(text: string): string {
  const shown = shorten(oneLine(text)).replaceAll('`', 'ˋ').replaceAll('|', '\\|');
  return shown.trim() === '' ? '–' : `\`${shown}\``;
}

/** Prose with everything that could be markup made harmless; words with an @ or an address become code. */
export function prose(text: string): string {
  return oneLine(text)
    .split(/(\S*(?:@|:\/\/|www\.)\S*)/)
    .map((part, at) => (at % 2 === 1 ? codeWord(part) : escape(part)))
    .join('');
}

/** A table row. */
function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** A table with a header; numbers in columns named in `right` are right-aligned. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const rule = header.map((_, at) => (right.includes(at) ? '---:' : '---'));
  return [row(header), row(rule), ...rows.map(row)].join('\n');
}

/** The text cut to what a table cell bears. */
export function shorten(text: string, limit = MAX_SHOWN_CHARS): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}

function codeWord(word: string): string {
  const [, before = '', name = '', after = ''] = /^([("'[]*)(.*?)([)"'\].,;:!?]*)$/.exec(word) ?? [];
  return `${escape(before)}${name === '' ? '' : code(name)}${escape(after)}`;
}

function escape(text: string): string {
  return text
    .replaceAll(/[\\`*_[\]|#~]/g, String.raw`\$&`)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}

function oneLine(text: string): string {
  // Control and direction characters could hide or reorder what a reader sees.
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
}
