export { teamRun } from './team-run';
export { defineMerge } from '../core/context/merges';
