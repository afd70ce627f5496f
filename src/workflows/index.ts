export { merges } from '../core/context/merges';
export { messageBus } from './bus';
export { teamRun } from './team-run';
