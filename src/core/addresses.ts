import type { CompositeStep, Step } from '../protocol/plan';
import { childPlace, childrenOf, isComposite } from './strategies/children';
import type { Visit } from './strategies/strategy';

/** Address of the plan's root. Children count from 1: `2.3` is the third child of the second. */
export const ROOT_ADDRESS = '0';

/** Where a child stands; the visits of one that is visited again count from 1: `2.3`, `2.3#2`, `2.3#3`. */
export function childAddress(
  parent: string,
  child: number | 'aggregate' | 'router' | 'fallback',
  visit = 1,
): string {
  const last = typeof child === 'number' ? String(child + 1) : child;
  const place = parent === ROOT_ADDRESS ? last : `${parent}.${last}`;
  return visit === 1 ? place : `${place}#${visit}`;
}

/** The address of one visit: the same however often it is asked for, and no other visit's. */
export function visitAddress(
  { step, address }: { readonly step: CompositeStep; readonly address: string },
  visits: readonly Visit[],
  index: number,
): string {
  const child = visits[index]?.child ?? 0;
  const number = visits.slice(0, index + 1).filter((visit) => visit.child === child).length;
  return childAddress(address, childPlace(step, child), number);
}

/** The address of a composite step's attempt, for what is inside it: `2.3`, then `2.3~2`. */
export function attemptAddress(address: string, attempt: number): string {
  return attempt === 1 ? address : `${address}~${attempt}`;
}

/** Where in the plan an address lies, whichever visit and attempt it is of: `2.1#3.4~2` is `2.1.4`. */
export function planAddress(address: string): string {
  const place = address.replaceAll(/[#~]\d+/g, '');
  return place.startsWith(`${ROOT_ADDRESS}.`) ? place.slice(ROOT_ADDRESS.length + 1) : place;
}

/** An address without its rounds, which are visits of the same step one after another: `2.1#3.4~2` is `2.1.4~2`. */
export function withoutRounds(address: string): string {
  return address.replaceAll(/#\d+/g, '');
}

/** The agents a step names, in plan order, aggregators, routers, fallbacks and those of child runs included. */
export function agentsOf(step: Step): readonly string[] {
  const fallback =
    typeof step.onFailure === 'object' && 'agent' in step.onFailure.fallback
      ? [step.onFailure.fallback.agent]
      : [];
  if (step.type === 'agent') return [step.agent, ...fallback];
  return [...partsOf(step).flatMap(agentsOf), ...fallback];
}

export function partsOf(step: Step): readonly Step[] {
  if (isComposite(step)) return childrenOf(step);
  return step.type === 'run' && step.plan !== undefined ? [step.plan] : [];
}
