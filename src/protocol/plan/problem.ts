import type { z } from 'zod';
import type { Problem } from '../failures';
import { nestedDeeperThan } from '../nesting';
import { PlanShorthand, Step, StoredPlanChoice } from '../plan';

/** One thing wrong with a plan. */
export type PlanProblem = Problem;

/** More than any plan needs, its agents' inputs included; endless nesting would exhaust the stack. */
const NESTING = 200;
const SHOWN = 50;

/** What makes a value no plan at all, before anything is known of agents. An empty list means that it parses. */
export function planIssues(raw: unknown): readonly PlanProblem[] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return [
      {
        path: 'plan',
        message: 'must be an object',
        hint: 'write {strategy, agents}, a step with its type, or {stored: {name}}',
      },
    ];
  if (nestedDeeperThan(NESTING, raw))
    return [{ path: 'plan', message: `is nested deeper than ${NESTING} levels`, hint: 'flatten it' }];
  const result = formOf(raw).safeParse(raw);
  return result.success ? [] : result.error.issues.slice(0, SHOWN).map(problemOf);
}

function formOf(raw: object): z.ZodType {
  if ('strategy' in raw) return PlanShorthand;
  return 'stored' in raw && !('type' in raw) ? StoredPlanChoice : Step;
}

function problemOf(issue: z.core.$ZodIssue): PlanProblem {
  const path = issue.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  return { path: `plan${path}`, message: issue.message, hint: hintFor(issue) };
}

function hintFor(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'unrecognized_keys':
      return `remove ${issue.keys.map((key) => `"${key}"`).join(', ')}, or correct the spelling`;
    case 'too_big':
      return `at most ${issue.maximum}`;
    case 'too_small':
      return `at least ${issue.minimum}`;
    case 'invalid_type':
      return `give a value of type ${issue.expected}`;
    default:
      return 'docs/plans.md shows every step by example';
  }
}
