/** A file of another tool, and what to do about it. */
export interface ForeignFile {
  readonly what: string;
  readonly instead: string;
}

const YARN =
  'the gate reads npm locks; write one from the same manifest with `npm install --package-lock-only`';

interface ForeignRule extends ForeignFile {
  readonly names: RegExp;
  /** Looked for in the first characters only: a lock file says what it is at its top. */
  readonly content: RegExp | null;
}

const RULES: readonly ForeignRule[] = [
  {
    what: 'a yarn.lock of Yarn',
    instead: YARN,
    names: /(?:^|[/\\.-])yarn\.lock$/i,
    content: /^\s*(?:#[^\n]*\n\s*)*(?:# yarn lockfile v1|__metadata:\s*\n)/,
  },
  {
    what: 'a pnpm-lock.yaml of pnpm',
    instead: YARN,
    names: /(?:^|[/\\.-])pnpm-lock\.ya?ml$/i,
    content: /^\s*(?:#[^\n]*\n\s*)*lockfileVersion:\s/,
  },
  {
    what: 'a bun.lock of Bun',
    instead: YARN,
    names: /(?:^|[/\\.-])bun\.lockb?$/i,
    content:
      /^(?:#!\/usr\/bin\/env bun|\s*\{\s*"lockfileVersion":\s*\d+,\s*(?:"configVersion":\s*\d+,\s*)?"workspaces"\s*:\s*\{)/,
  },
  {
    what: 'a deno.lock of Deno',
    instead: 'the gate reads package-lock.json and npm-shrinkwrap.json only',
    names: /(?:^|[/\\.-])deno\.lock$/i,
    content: null,
  },
];

/** Recognises another package manager's lock file by its content, or by its name where the content says nothing. */
export function recogniseForeign(name: string, head: string): ForeignFile | null {
  const top = head.slice(0, 2_000);
  const rule =
    RULES.find(({ content }) => content !== null && content.test(top)) ??
    RULES.find(({ names }) => names.test(name));
  return rule === undefined ? null : { what: rule.what, instead: rule.instead };
}
