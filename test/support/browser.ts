import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';
import { temporaryFolder } from './team';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser of this machine; undefined where there is none. */
export const browserPath = PATHS.find((path) => existsSync(path));

/** A headless browser that talks to nobody on its own account. */
export async function openBrowser(): Promise<Browser> {
  if (browserPath === undefined) throw new Error(`No browser at ${PATHS.join(', ')}`);
  const home = temporaryFolder('ensemble-browser');
  const browser = await chromium.launch({
    executablePath: browserPath,
    env: { ...process.env, HOME: home.path } as Record<string, string>,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  browser.once('disconnected', () => home[Symbol.dispose]());
  return browser;
}
