import type { Step } from '../../protocol/plan';

/** Under which name `/outputs` and merged records hold a step's output: its id, else its agent's name; others have none. */
export function outputName(step: Step): string | undefined {
  return step.id ?? (step.type === 'agent' ? step.agent : undefined);
}

/** The key of each branch in a merged record: its name, else its number; a key that is taken gets the number as well. */
export function branchKeys(steps: readonly Step[]): readonly string[] {
  const keys: string[] = [];
  for (const [index, step] of steps.entries()) {
    let key = outputName(step) ?? `branch-${index + 1}`;
    while (keys.includes(key)) key = `${key}-${index + 1}`;
    keys.push(key);
  }
  return keys;
}
