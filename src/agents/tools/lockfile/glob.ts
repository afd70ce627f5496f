/** More alternatives than any workspace list needs; a hostile one must not multiply. */
const MAX_ALTERNATIVES = 64;

/** Whether a workspace list such as ["packages/*", "!packages/old"] names this folder. */
export function matchesWorkspaces(patterns: readonly string[], location: string): boolean {
  let matched = false;
  for (const pattern of patterns) {
    const bangs = /^!*/.exec(pattern)?.[0].length ?? 0;
    const plain = pattern
      .slice(bangs)
      .replace(/^\.?\/+/, '')
      .replace(/\/+$/, '');
    // The last pattern that speaks of a folder decides about it.
    if (matchesGlob(plain, location)) matched = bangs % 2 === 0;
  }
  return matched;
}

/** Globs of the kind package.json uses: *, **, ? and {a,b}; in linear steps, whatever the pattern. */
export function matchesGlob(pattern: string, path: string): boolean {
  const segments = path.split('/');
  return alternatives(pattern).some((one) => matchSegments(one.split('/'), segments));
}

function alternatives(pattern: string): readonly string[] {
  let open = [pattern];
  const done: string[] = [];
  while (open.length > 0 && open.length + done.length <= MAX_ALTERNATIVES) {
    const next: string[] = [];
    for (const one of open) {
      const braces = /\{([^{}]*)\}/.exec(one);
      if (braces === null) done.push(one);
      else for (const choice of (braces[1] ?? '').split(',')) next.push(one.replace(braces[0], () => choice));
    }
    open = next;
  }
  return done;
}

function matchSegments(pattern: readonly string[], path: readonly string[]): boolean {
  return matchSequence(pattern, path, {
    isStar: (part) => part === '**',
    matches: (part, segment) => matchSequence(part.split(''), segment.split(''), CHARACTERS),
  });
}

interface Matcher {
  isStar(part: string): boolean;
  matches(part: string, item: string): boolean;
}

const CHARACTERS: Matcher = {
  isStar: (part) => part === '*',
  matches: (part, item) => part === '?' || part === item,
};

/** Greedy matching with one point of return: the last star takes one more item and tries again. */
function matchSequence(pattern: readonly string[], items: readonly string[], matcher: Matcher): boolean {
  let at = 0;
  let star = -1;
  let taken = 0;
  for (let i = 0; i < items.length;) {
    const part = pattern[at];
    if (part !== undefined && matcher.isStar(part)) {
      star = at++;
      taken = i;
    } else if (part !== undefined && matcher.matches(part, items[i] ?? '')) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++taken;
    } else return false;
  }
  return pattern.slice(at).every((part) => matcher.isStar(part));
}
