/**
 * Whether a topic fits a pattern: `*` stands for exactly one segment, `#` at the end for any number of them, none
 * included. `finding.#` fits `finding` and `finding.licence.high`; `finding.*.high` fits only the latter.
 */
export function matchesTopic(pattern: string, topic: string): boolean {
  const wanted = pattern.split('.');
  const given = topic.split('.');
  const open = wanted.at(-1) === '#';
  const fixed = open ? wanted.length - 1 : wanted.length;
  if (open ? given.length < fixed : given.length !== fixed) return false;
  return wanted.slice(0, fixed).every((segment, index) => segment === '*' || segment === given[index]);
}
