import { z } from 'zod';
import type { JsonObject } from '../../protocol/json';
import { type LockSide } from '../tools/lockfile/diff';
import { type LockTotals, installedOf } from '../tools/lockfile/totals';
import { FindingReport } from './finding';

const count = z.int().nonnegative();

/** The size of a dependency tree in counts; null is what the file does not say. */
const Totals = z.strictObject({
  packages: count,
  production: count,
  developmentOnly: count,
  optional: count,
  peer: count,
  bundled: count,
  workspaces: count,
  links: count,
  direct: count.nullable(),
  names: count,
  namesInSeveralVersions: count,
  withInstallScript: count.nullable(),
  depth: count,
}) satisfies z.ZodType<LockTotals>;

/** Bytes on disk, as far as they were measured. */
export const InstalledSize = z.strictObject({ bytes: count, measured: count, unmeasured: count });
export type InstalledSize = z.infer<typeof InstalledSize>;

/** What the change does to the size of the tree. */
export const FootprintReport = FindingReport.extend({
  totals: z.strictObject({ head: Totals, base: Totals.nullable() }),
  /** What engines were held against; null where there was nothing. */
  engineBasis: z.strictObject({ kind: z.enum(['version', 'root']), node: z.string() }).nullable(),
  /** Null where no package is installed beside the lock file. */
  installed: InstalledSize.nullable(),
});
export type FootprintReport = z.infer<typeof FootprintReport>;

/** Sums up the measured bytes of the head's packages. */
export function installedSizeOf(head: LockSide, installed: JsonObject | null): InstalledSize | null {
  if (installed === null) return null;
  let bytes = 0;
  let measured = 0;
  const packages = installedOf(head);
  for (const { entry } of packages) {
    const size = Object.hasOwn(installed, entry.location) ? installed[entry.location] : undefined;
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) continue;
    bytes += size;
    measured++;
  }
  return { bytes, measured, unmeasured: packages.length - measured };
}
