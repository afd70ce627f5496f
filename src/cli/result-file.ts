import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface ResultFile {
  readonly dataDir: string;
  readonly runId: string;
  readonly text: string;
  readonly extension: string;
}

/** Keeps a run's result beside its data; returns the file's path. */
export function writeResultFile({ dataDir, runId, text, extension }: ResultFile): string {
  const folder = join(dataDir, 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${runId}.${extension}`);
  writeFileSync(file, text.endsWith('\n') ? text : `${text}\n`);
  return file;
}
