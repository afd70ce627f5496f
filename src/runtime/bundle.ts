import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { dataConverter } from './data-converter';

/** Bundles the workflows; without a path those that lie beside this file, from sources and from the build alike. */
export async function bundleWorkflows(workflowsPath = require.resolve('../workflows')): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    workflowInterceptorModules: [require.resolve('../workflows/log-attributes')],
    // Evaluated once for all runs of a worker instead of once for each; none of them keeps state of its own.
    preloadModules: [workflowsPath],
    payloadConverterPath: dataConverter.payloadConverterPath,
    logger: new DefaultLogger('WARN'),
  });
  return code;
}
