import type { CompositeStep } from '../../protocol/plan';
import { EMPTY_WORLD, type World } from '../scope';
import { adaptive } from './adaptive';
import { childrenOf } from './children';
import { loop } from './loop';
import { map } from './map';
import { parallel } from './parallel';
import { sequential } from './sequential';
import type { Decision, Visit } from './strategy';

/** Asks the strategy that the step's type stands for. `world` is what the step itself was started with. */
export function decide(step: CompositeStep, visits: readonly Visit[], world: World = EMPTY_WORLD): Decision {
  const children = childrenOf(step);
  switch (step.type) {
    case 'sequence':
      return sequential({ step, children, visits, world });
    case 'parallel':
      return parallel({ step, children, visits, world });
    case 'adaptive':
      return adaptive({ step, children, visits, world });
    case 'loop':
      return loop({ step, children, visits, world });
    case 'map':
      return map({ step, children, visits, world });
  }
}
