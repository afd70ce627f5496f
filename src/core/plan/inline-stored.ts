import { LIMITS } from '../../protocol/limits';
import type { RunStep, Step, StoredPlan } from '../../protocol/plan';
import { type Place, placesOf, rootPlace } from './places';
import type { PlanProblem } from './problem';

/** A version of a stored plan. */
export interface KeptPlan {
  readonly name: string;
  readonly version: number;
  readonly plan: Step;
}

/** Where a version of a stored plan stands in the plan that it was written into. */
export interface UsedPlan {
  readonly path: string;
  readonly name: string;
  readonly version: number;
}

/** What stored plans are taken from. */
export interface Shelf {
  find(wanted: StoredPlan): KeptPlan | undefined;
  /** For whoever names one that is not there. */
  readonly hint: string;
}

/** A plan that names no stored one any more, and what it was made of. */
export interface Inlined {
  readonly plan: Step;
  readonly used: readonly UsedPlan[];
  readonly problems: readonly PlanProblem[];
}

/** The stored plans that a plan names itself, those within them not included. */
export function storedIn(plan: Step): readonly StoredPlan[] {
  return placesOf(rootPlace(plan), Infinity).flatMap(({ step }: Place) =>
    step.type === 'run' && step.stored !== undefined ? [step.stored] : [],
  );
}

/**
 * Writes every stored plan into the step that names it. With `root`, the plan is that stored plan itself. What cannot be
 * written in is left as it is and told as a problem.
 */
export function inlineStored(plan: Step, shelf: Shelf, root?: KeptPlan): Inlined {
  const inliner = new Inliner(shelf);
  const whole = inliner.step(plan, 'plan', root === undefined ? [] : [root]);
  return { plan: whole, used: inliner.used, problems: inliner.problems };
}

/** Says of each problem which stored plan it lies in. */
export function attributed(
  problems: readonly PlanProblem[],
  used: readonly UsedPlan[],
): readonly PlanProblem[] {
  return problems.map((problem) => {
    const [inner] = used
      .filter(({ path }) => isWithin(problem.path, path))
      .toSorted((one, other) => other.path.length - one.path.length);
    if (inner === undefined) return problem;
    const { name, version } = inner;
    return { ...problem, message: `${problem.message}, in version ${version} of the stored plan "${name}"` };
  });
}

function isWithin(path: string, outer: string): boolean {
  return path.startsWith(outer) && ['.', '[', ''].includes(path.charAt(outer.length));
}

class Inliner {
  readonly used: UsedPlan[] = [];
  readonly problems: PlanProblem[] = [];
  private chars = 0;

  constructor(private readonly shelf: Shelf) {}

  /** `around`: the stored plans that this one is inside of. */
  step(step: Step, path: string, around: readonly KeptPlan[]): Step {
    const inner = (child: Step, where: string): Step => this.step(child, `${path}.${where}`, around);
    switch (step.type) {
      case 'sequence':
      case 'parallel':
        return { ...step, steps: step.steps.map((child, index) => inner(child, `steps[${index}]`)) };
      case 'adaptive':
        return {
          ...step,
          options: step.options.map((option, index) => ({
            ...option,
            step: inner(option.step, `options[${index}].step`),
          })),
        };
      case 'loop':
      case 'map':
        return { ...step, step: inner(step.step, 'step') };
      case 'run':
        return step.plan === undefined
          ? this.run(step, path, around)
          : { ...step, plan: inner(step.plan, 'plan') };
      case 'agent':
      case 'approval':
      case 'wait':
        return step;
    }
  }

  private run(step: RunStep, path: string, around: readonly KeptPlan[]): Step {
    const { stored, ...rest } = step;
    // Whoever has been told that there is too much need not be told what else would not have fitted.
    if (stored === undefined || this.chars > LIMITS.planBytes) return step;
    const kept = this.shelf.find(stored);
    if (kept === undefined) return this.refused(step, path, unknownPlan(stored, this.shelf));
    if (around.some(({ name, version }) => name === kept.name && version === kept.version))
      return this.refused(step, path, circle([...around, kept]));
    // Each written into the next many times over, a few plans make one that no memory holds.
    this.chars += JSON.stringify(kept.plan).length;
    if (this.chars > LIMITS.planBytes) return this.refused(step, path, TOO_LARGE);
    this.used.push({ path: `${path}.plan`, name: kept.name, version: kept.version });
    return { ...rest, plan: this.step(kept.plan, `${path}.plan`, [...around, kept]) };
  }

  private refused(step: RunStep, path: string, refusal: Refusal): Step {
    this.problems.push({ path: `${path}.stored`, ...refusal });
    return step;
  }
}

type Refusal = Omit<PlanProblem, 'path'>;

const TOO_LARGE: Refusal = {
  message: `makes the plan larger than ${LIMITS.planBytes} bytes, with its stored plans written into it`,
  hint: 'use fewer of them, or smaller ones',
};

/** What is wrong with a name under which nothing is stored. */
export function unknownPlan({ name, version }: StoredPlan, { hint }: Pick<Shelf, 'hint'>): Refusal {
  const which = version === undefined ? '' : ` in version ${version}`;
  return { message: `names the unknown plan "${name}"${which}`, hint };
}

function circle(way: readonly KeptPlan[]): Refusal {
  return {
    message: `leads back to where it stands: ${way.map(({ name }) => name).join(' → ')}`,
    hint: 'a stored plan may not contain itself; name another one, or an earlier version',
  };
}
