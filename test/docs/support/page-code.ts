import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

/** Code of a documentation page, compiled as a reader would who has the package installed. */
export interface PageCode<T> extends Disposable {
  readonly exports: T;
}

/** Compiles the block of TypeScript that stands behind `<!-- NAME: run by test/docs -->`. Throws where it does not compile. */
export function pageCode<T>(page: string, name: string): PageCode<T> {
  const marked = new RegExp(`<!-- ${name}: run by test/docs -->\\s+\`\`\`ts\\n(.*?)\`\`\``, 's');
  const code = marked.exec(readFileSync(page, 'utf8'))?.[1] ?? '';
  // In lib/, where modules resolve as they do in src/, and which no build or commit takes along.
  const folder = resolve('lib', `${basename(page, '.md')}-page-${process.pid}`);
  const file = join(folder, 'page.ts');
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, code);
  const compilerOptions = {
    paths: { 'ensemble/agents': [resolve('src/agents/index.ts')] },
    rootDir: resolve('.'),
    types: ['node'],
  };
  const config = { extends: resolve('tsconfig.json'), compilerOptions, include: ['page.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { stdio: 'pipe' });
  return {
    exports: require(file) as T,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
