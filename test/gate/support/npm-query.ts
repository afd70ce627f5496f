import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** What `npm query` prints of one package, as far as a lock file decides it. */
export interface NpmNode {
  readonly name?: string;
  readonly version?: string;
  readonly location: string;
  readonly resolved: string | null;
  readonly integrity?: string;
  readonly license?: unknown;
  readonly engines?: unknown;
  readonly hasInstallScript?: boolean;
  readonly deprecated?: string;
  readonly optional?: boolean;
  readonly peer?: boolean;
  readonly dev: boolean;
  readonly inBundle: boolean;
  readonly from: readonly string[];
  readonly to: readonly string[];
}

/** Files by their path from a project's folder. */
export type ProjectFiles = Readonly<Record<string, object>>;

const run = promisify(execFile);

/** A folder that holds a project npm can be asked about. */
export class NpmProject implements Disposable {
  private readonly top = mkdtempSync(join(tmpdir(), 'gate-npm-'));
  private readonly folder = join(this.top, 'project');

  constructor(files: ProjectFiles) {
    // With this folder npm takes the project for its root, even where no package.json says so.
    mkdirSync(join(this.folder, 'node_modules'), { recursive: true });
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true });
      writeFileSync(join(this.folder, path), JSON.stringify(content, undefined, 2));
    }
  }

  async query(selector: string): Promise<readonly NpmNode[]> {
    const args = ['query', selector, '--package-lock-only', '--no-update-notifier', '--loglevel=error'];
    const { stdout } = await run('npm', args, { cwd: this.folder, maxBuffer: 256 * 1024 * 1024 });
    return JSON.parse(stdout) as NpmNode[];
  }

  [Symbol.dispose](): void {
    rmSync(this.top, { recursive: true, force: true });
  }
}
