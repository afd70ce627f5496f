import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { AppError } from '../protocol/failures';
import type { ProviderFactory } from './factory';

/** Loads what files and packages bring as `providers`: an object of factories by name. Throws CONFIG_INVALID. */
export function loadProviders(paths: readonly string[]): ReadonlyMap<string, ProviderFactory> {
  const factories = new Map<string, ProviderFactory>();
  for (const path of paths) {
    for (const [name, factory] of providersOf(path)) {
      if (factories.has(name)) throw invalid(path, `there is already a provider ${name}`);
      factories.set(name, factory);
    }
  }
  return factories;
}

function providersOf(path: string): [string, ProviderFactory][] {
  const { providers } = load(path);
  if (typeof providers !== 'object' || providers === null) throw invalid(path, 'it exports no `providers`');
  return Object.entries(providers).map(([name, factory]) => {
    if (!/^[\w-]+$/.test(name))
      throw invalid(path, `${JSON.stringify(name)} cannot be the name of a provider`);
    if (typeof factory !== 'function') throw invalid(path, `its provider ${name} is not a function`);
    return [name, factory as ProviderFactory];
  });
}

/** A path is taken from the working directory; anything else is a package, found from there. */
function load(path: string): { readonly providers?: unknown } {
  const isFile = path.startsWith('.') || path.startsWith('/');
  try {
    const found = isFile ? resolve(path) : createRequire(join(process.cwd(), 'providers.js')).resolve(path);
    return require(found) as { readonly providers?: unknown };
  } catch (error) {
    throw invalid(path, `cannot be loaded: ${firstLine(error)}`);
  }
}

// By shape, not by class: what a module throws comes from another realm where code runs in a sandbox, as Jest's does.
function firstLine(error: unknown): string {
  const said = typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
  return String(said).split('\n', 1)[0] ?? '';
}

function invalid(path: string, why: string): AppError {
  return new AppError('CONFIG_INVALID', `ENSEMBLE_PROVIDERS_PATH ${path}: ${why}`);
}
