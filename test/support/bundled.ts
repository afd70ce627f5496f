import { symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { bundleWorkflows } from '../../src/runtime/bundle';
import { temporaryFolder } from './team';

/** Workflows of a test's own, given as the text of a CommonJS module, bundled as ours are. */
export async function bundled(source: string): Promise<{ readonly code: string }> {
  using folder = temporaryFolder('bundled');
  symlinkSync(resolve('node_modules'), join(folder.path, 'node_modules'));
  const file = join(folder.path, 'workflows.js');
  writeFileSync(file, source);
  return { code: await bundleWorkflows(file) };
}
