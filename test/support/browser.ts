import { spawnSync } from 'node:child_process';
import { type Browser, chromium } from 'playwright-core';

const found = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version'], { timeout: 20_000 }).status === 0,
);

/** Why there is no browser here; null where there is one. */
export const NO_BROWSER = found === undefined ? 'no chromium is installed (apt-get install chromium)' : null;

/** The browser that is installed, without a window. */
export function openBrowser(): Promise<Browser> {
  const executablePath = spawnSync('which', [found!], { encoding: 'utf8' }).stdout.trim();
  return chromium.launch({ executablePath, args: ['--disable-gpu'] });
}
