import type { Plant } from './plant';
import { PACKAGE_PLANTS } from './plants-of-packages';
import { SOURCE_PLANTS } from './plants-of-sources';
import { TREE_PLANTS } from './plants-of-trees';

/** Everything a change may bring in. */
export const PLANTS: readonly Plant[] = [...PACKAGE_PLANTS, ...SOURCE_PLANTS, ...TREE_PLANTS];
