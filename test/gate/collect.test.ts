import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { AppError } from '../../src/protocol/failures';
import { LIMITS } from '../../src/protocol/limits';
import { type GateFiles, type GateOptions, collectGateInput } from '../../src/cli/dependency-gate/collect';
import { gateRunInput } from '../../src/cli/dependency-gate/upload';
import { gateInputOf } from '../../src/agents/dependency-gate/gate-input';

/** A folder to collect from, with or without git. */
class Project implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'gate-collect-'));

  write(path: string, content: string | Uint8Array | object): string {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    const text =
      typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content);
    writeFileSync(file, text);
    return file;
  }

  git(...args: readonly string[]): string {
    const who = [
      '-c',
      'user.name=Test',
      '-c',
      'user.email=test@example.com',
      '-c',
      'init.defaultBranch=main',
    ];
    return execFileSync('git', [...who, '-c', 'commit.gpgsign=false', ...args], {
      cwd: this.folder,
      encoding: 'utf8',
    });
  }

  commit(path: string, content: string): string {
    this.write(path, content);
    this.git('add', path);
    this.git('commit', '--quiet', '-m', 'change');
    return this.git('rev-parse', '--short=10', 'HEAD').trim();
  }

  async collect(options: Partial<GateOptions> = {}): Promise<GateFiles> {
    return await collectGateInput({ cwd: this.folder, ...options });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString();

async function failureOf(deed: Promise<unknown>): Promise<string> {
  const error: unknown = await deed.then(
    () => 'nothing was thrown',
    (thrown: unknown) => thrown,
  );
  return AppError.is(error) ? `${error.code}: ${error.message}` : String(error);
}

describe('files that are named', () => {
  test('are taken as they are', async () => {
    using project = new Project();
    project.write('new.json', 'new');
    project.write('old.json', 'old');
    const files = await project.collect({ input: 'new.json', base: 'old.json' });
    expect([text(files.head), text(files.base)]).toEqual(['new', 'old']);
    expect(files).toMatchObject({
      headName: 'new.json',
      baseName: 'old.json',
      about: 'new.json against old.json',
    });
  });

  test.each([
    [
      '--input',
      { input: 'none.json' },
      /^INPUT_UNREADABLE: --input \/.*\/none\.json: there is no such file$/,
    ],
    [
      '--base',
      { input: 'lock.json', base: 'none.json' },
      /^INPUT_UNREADABLE: --base \/.*\/none\.json: there is no such file$/,
    ],
    [
      'a folder',
      { input: 'folder' },
      /^INPUT_UNREADABLE: --input \/.*\/folder: it is a directory; name the lock file in it$/,
    ],
    [
      'below a file',
      { input: 'lock.json/x' },
      /^INPUT_UNREADABLE: --input .*: a part of its path is not a directory$/,
    ],
    ['an empty file', { input: 'empty.json' }, /^INPUT_UNREADABLE: --input .*: the file is empty$/],
    ['a device', { input: '/dev/zero' }, /^INPUT_UNREADABLE: --input \/dev\/zero: it is not a regular file$/],
    [
      'a file over the limit',
      { input: 'huge.json' },
      /^INPUT_TOO_LARGE: --input .*: 33554433 bytes are over the limit of 32 MiB$/,
    ],
    ['a base alone', { base: 'lock.json' }, /^INPUT_INVALID: --base needs --input/],
  ])('%s that cannot be read ends in one line', async (_, options, message) => {
    using project = new Project();
    project.write('lock.json', '{}');
    project.write('empty.json', '');
    project.write('folder/x', '');
    project.write('huge.json', new Uint8Array(LIMITS.blobBytes + 1));
    expect(await failureOf(project.collect(options))).toMatch(message);
  });
});

describe('a file named without its base', () => {
  test('is compared with what is committed where it was changed since', async () => {
    using project = new Project();
    project.git('init', '--quiet');
    const commit = project.commit('apps/shop/package-lock.json', 'one');
    project.write('apps/shop/package-lock.json', 'two');
    const files = await project.collect({ input: 'apps/shop/package-lock.json' });
    expect([text(files.head), text(files.base)]).toEqual(['two', 'one']);
    expect(files.about).toBe(
      `apps/shop/package-lock.json against package-lock.json at ${commit} (its uncommitted change)`,
    );
  });

  test('is compared with the version before its last change where it is as committed', async () => {
    using project = new Project();
    project.git('init', '--quiet');
    project.commit('package-lock.json', 'one\n');
    project.commit('package-lock.json', 'two\n');
    project.commit('other.txt', 'x');
    // Line ends that git converts are no change of the file.
    project.write('package-lock.json', 'two\r\n');
    const files = await project.collect({ input: 'package-lock.json' });
    expect([text(files.head), text(files.base)]).toEqual(['two\r\n', 'one\n']);
    expect(files.about).toMatch(/against package-lock\.json at [0-9a-f]{10} \(its last change in git\)$/);
  });

  test('stands alone where git has nothing before it, and says so', async () => {
    using project = new Project();
    project.write('package-lock.json', 'one');
    const untracked = await project.collect({ input: 'package-lock.json' });
    expect(untracked).toMatchObject({
      base: null,
      baseName: null,
      about: expect.stringMatching(/git does not know .*everything in it counts as new/),
    });
    project.git('init', '--quiet');
    project.commit('package-lock.json', 'one');
    const first = await project.collect({ input: 'package-lock.json' });
    expect(first).toMatchObject({
      base: null,
      about: expect.stringMatching(/git has no version before this one/),
    });
  });
});

describe('no file named', () => {
  test('takes the last change of the lock file in git, however many commits came after it', async () => {
    using project = new Project();
    project.git('init', '--quiet');
    const one = project.commit('package-lock.json', 'one');
    const two = project.commit('package-lock.json', 'two');
    for (let at = 0; at < 3; at++) project.commit('other.txt', String(at));
    project.write('package-lock.json', 'not committed');
    const files = await project.collect();
    expect([text(files.head), text(files.base)]).toEqual(['two', 'one']);
    expect(files).toMatchObject({
      headName: `package-lock.json at ${two}`,
      baseName: expect.stringMatching(`^package-lock.json at `),
    });
    expect(files.baseName).toBe(`package-lock.json at ${one}`);
    expect(files.about).toContain('the last change of package-lock.json in git');
  });

  test('finds the change on a branch that was merged, and in a folder below the top', async () => {
    using project = new Project();
    project.git('init', '--quiet');
    project.commit('app/package-lock.json', 'one');
    project.git('checkout', '--quiet', '-b', 'side');
    project.commit('app/package-lock.json', 'two');
    project.git('checkout', '--quiet', 'main');
    project.commit('other.txt', 'x');
    project.git('merge', '--quiet', '--no-ff', '-m', 'merge', 'side');
    const files = await collectGateInput({ cwd: join(project.folder, 'app') });
    expect([text(files.head), text(files.base)]).toEqual(['two', 'one']);
  });

  test.each([
    ['without git', (): undefined => undefined, /no package-lock\.json is in git here/],
    [
      'with one commit',
      (project: Project): void => {
        project.git('init', '--quiet');
        project.commit('package-lock.json', 'one');
      },
      /git has no earlier package-lock\.json/,
    ],
    [
      'with a lock nobody committed',
      (project: Project): void => {
        project.git('init', '--quiet');
        project.write('package-lock.json', '{}');
      },
      /no package-lock\.json is in git here/,
    ],
  ])('%s takes the example pair, and says why', async (_, prepare, why) => {
    using project = new Project();
    prepare(project);
    const files = await project.collect();
    expect(files.about).toMatch(/^the example pair, since /);
    expect(files.about).toMatch(why);
    expect(files).toMatchObject({
      headName: 'head.package-lock.json',
      baseName: 'base.package-lock.json',
      installed: null,
    });
    expect(text(files.head)).toContain('"name": "storefront"');
  });

  test('names that look like options or patterns stay names', async () => {
    using project = new Project();
    const folder = '--upload-pack=x *[a]';
    project.git('init', '--quiet');
    for (const content of ['one', 'two']) {
      project.write(`${folder}/package-lock.json`, content);
      project.git('add', '--all');
      project.git('commit', '--quiet', '-m', content);
    }
    const files = await collectGateInput({ cwd: join(project.folder, folder) });
    expect([text(files.head), text(files.base)]).toEqual(['two', 'one']);
  });
});

describe('installed sizes', () => {
  const entry = (version: string): object => ({ version });
  const lock = (packages: object): object => ({ lockfileVersion: 3, packages: { '': {}, ...packages } });

  test('are measured where npm installed the version of the lock, without what is nested', async () => {
    using project = new Project();
    const packages = {
      'node_modules/a': entry('1.0.0'),
      'node_modules/a/node_modules/b': entry('2.0.0'),
      'node_modules/@s/c': entry('3.0.0'),
      'node_modules/other-version': entry('5.0.0'),
      'node_modules/not-installed': entry('1.0.0'),
      'node_modules/linked': { link: true, resolved: 'linked' },
    };
    project.write('package-lock.json', lock(packages));
    project.write(
      'node_modules/.package-lock.json',
      lock({
        ...packages,
        'node_modules/other-version': entry('4.0.0'),
        'node_modules/not-installed': entry('9.9.9'),
      }),
    );
    project.write('node_modules/a/index.js', 'x'.repeat(100));
    project.write('node_modules/a/lib/deep/file.js', 'x'.repeat(20));
    project.write('node_modules/a/node_modules/b/index.js', 'x'.repeat(7));
    project.write('node_modules/@s/c/index.js', 'x'.repeat(5));
    project.write('node_modules/other-version/index.js', 'x');
    const { installed } = await project.collect({ input: 'package-lock.json' });
    expect(installed).toEqual({
      'node_modules/a': 120,
      'node_modules/a/node_modules/b': 7,
      'node_modules/@s/c': 5,
    });
  });

  test.each([
    [
      'where nothing is installed',
      (project: Project) => project.write('package-lock.json', lock({ 'node_modules/a': entry('1.0.0') })),
    ],
    [
      'where the lock is broken',
      (project: Project) => {
        project.write('package-lock.json', '{');
        project.write('node_modules/.package-lock.json', lock({}));
      },
    ],
    [
      'where a location climbs out',
      (project: Project) => {
        project.write('package-lock.json', lock({ '../node_modules/a': entry('1.0.0') }));
        project.write('node_modules/.package-lock.json', lock({ '../node_modules/a': entry('1.0.0') }));
      },
    ],
  ])('are unknown %s', async (_, prepare) => {
    using project = new Project();
    prepare(project);
    expect((await project.collect({ input: 'package-lock.json' })).installed).toBeNull();
  });
});

test('what is uploaded is what the agents take', async () => {
  using project = new Project();
  project.write('new.json', 'new');
  project.write('old.json', 'old');
  const uploaded: string[] = [];
  const client = {
    upload: async (bytes: Uint8Array, mediaType: string) => {
      uploaded.push(Buffer.from(bytes).toString());
      return { blob: 'a'.repeat(64), bytes: bytes.byteLength, mediaType };
    },
  };
  const files = await project.collect({ input: 'new.json', base: 'old.json' });
  const input = gateInputOf(await gateRunInput(client, { ...files, installed: { 'node_modules/a': 1 } }));
  expect(uploaded).toEqual(['new', 'old', '{"node_modules/a":1}']);
  expect(input).toMatchObject({
    headName: 'new.json',
    baseName: 'old.json',
    head: { bytes: 3 },
    installed: { bytes: 20 },
  });
  expect(gateInputOf(await gateRunInput(client, { ...files, base: null, baseName: null }))).toMatchObject({
    base: null,
  });
});
