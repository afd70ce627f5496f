export { scriptedModel } from '../../src/agents/testing/scripted-model';
