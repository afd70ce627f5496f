import type { Json } from '../../protocol/json';
import type { ParallelStep } from '../../protocol/plan';
import { lookUp } from '../facts';
import { branchKeys } from './branch-keys';
import { type Decided, type Decision, outputOf, type StrategyView, type Visit } from './strategy';

type View = StrategyView<ParallelStep>;

/** A branch with an output, and the scalar that it has at the pointer. */
interface Ballot<T> {
  readonly visit: Visit;
  readonly said: T;
}

/** The output of the first branch, in plan order, that says what most say; a tie goes to the earlier branch. */
export function vote(view: View, branches: readonly Visit[], pointer: string): Decision {
  const ballots = ballotsOf(view, branches, { pointer, wanted: isScalar });
  const counts = new Map<string | number | boolean, number>();
  for (const { said } of ballots) counts.set(said, (counts.get(said) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  const winner = ballots.find(({ said }) => counts.get(said) === most);
  if (winner === undefined) return nobodySaid(branches, pointer, 'a text, a number or a truth value');
  const tied = [...counts.values()].filter((count) => count === most).length > 1;
  const reason = `${most} of ${ballots.length} votes at ${pointer}${tied ? '; the tie goes to the earlier branch' : ''}`;
  const alternatives = [...counts.keys()].filter((said) => said !== winner.said).map(String);
  return elected(winner.visit, { kind: 'vote', chosen: String(winner.said), reason, alternatives });
}

/** The output of the branch with the highest number at the pointer; a tie goes to the earlier branch. */
export function best(view: View, branches: readonly Visit[], pointer: string): Decision {
  const ballots = ballotsOf(view, branches, { pointer, wanted: isNumber });
  const highest = Math.max(...ballots.map(({ said }) => said));
  const winner = ballots.find(({ said }) => said === highest);
  if (winner === undefined) return nobodySaid(branches, pointer, 'a number');
  const keys = branchKeys(view.step.steps);
  const nameOf = ({ visit }: Ballot<number>): string => keys[visit.child] ?? '';
  const alternatives = ballots
    .filter((ballot) => ballot !== winner)
    .map((ballot) => `${nameOf(ballot)}: ${ballot.said}`);
  const reason = `${highest} is the highest of ${ballots.length} at ${pointer}`;
  return elected(winner.visit, { kind: 'best', chosen: nameOf(winner), reason, alternatives });
}

function elected(visit: Visit, decided: Decided): Decision {
  return { type: 'finish', output: outputOf(visit) ?? { inline: null }, decided: [decided] };
}

/** Where every branch was left out by its condition there is nothing to choose from, and nothing wrong. */
function nobodySaid(branches: readonly Visit[], pointer: string, wanted: string): Decision {
  if (branches.length === 0) return { type: 'finish', output: { inline: null } };
  const message = `None of ${branches.length} outputs has ${wanted} at "${pointer}", so none can be chosen`;
  return { type: 'fail', failure: { code: 'STEP_UNDECIDED', message } };
}

function ballotsOf<T extends Json>(
  { world }: View,
  branches: readonly Visit[],
  { pointer, wanted }: { readonly pointer: string; readonly wanted: (found: Json) => found is T },
): Ballot<T>[] {
  return branches.flatMap((visit) => {
    const said = lookUp(outputOf(visit) ?? { inline: null }, pointer, world.facts);
    return said !== undefined && wanted(said) ? [{ visit, said }] : [];
  });
}

function isScalar(found: Json): found is string | number | boolean {
  return typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean';
}

function isNumber(found: Json): found is number {
  return typeof found === 'number';
}
