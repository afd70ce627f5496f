import { existsSync, rmSync } from 'node:fs';
import { AppError } from '../../protocol/failures';
import type { Announce } from './announce';
import { isOurs, layoutOf } from './data-dir';
import { stopLeftovers } from './leftovers';
import { takeOwnership } from './owner';

/** Removes a data folder and returns what was removed; refuses while its servers run, or when it is not ours. */
export async function resetData(dataDir: string, announce: Announce): Promise<readonly string[]> {
  const layout = layoutOf(dataDir);
  const folders = [layout.root, layout.elsewhere].filter((folder) => existsSync(folder));
  if (folders.length === 0) {
    announce(`  data         none in ${layout.root}`);
    return [];
  }
  for (const folder of folders) announce(`  data         in ${folder}`);
  if (existsSync(layout.root) && !isOurs(layout.root)) {
    throw new AppError('CONFIG_INVALID', `${layout.root} was not made by Ensemble, so nothing is removed`);
  }
  if (existsSync(layout.root)) {
    // Held until it is gone, so that no start begins in a folder that is being removed.
    await takeOwnership(layout);
    await stopLeftovers(layout, announce);
  }
  for (const folder of folders) {
    rmSync(folder, { recursive: true, force: true });
    announce(`  removed      ${folder}`);
  }
  return folders;
}
