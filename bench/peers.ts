import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { TrainFigures } from './train.ts';

/** Another engine that does a workload: from a folder with `run.sh PEER WORKLOAD THREADS SECONDS`, which prints a JSON line. */
export interface Peer {
  name: string;
  /** why it cannot be asked, and what to do about it; null: it can */
  missing: string | null;
  /** what it can do */
  does(workload: string, threads: number): boolean;
}

const run = promisify(execFile);
const RUN_TIMEOUT_MS = 90_000;

/** Python modules and npm packages that the peers need. */
const NEEDS: Record<string, { module?: string; package?: string; workloads?: readonly string[]; threads?: number }> = {
  torch: { module: 'torch' },
  numpy: { module: 'numpy', workloads: ['W1', 'W2', 'W6'] },
  tfjs: { package: '@tensorflow/tfjs', threads: 1 },
};

/** Looks for the named peers. Throws where the folder or a name is wrong. */
export async function findPeers(folder: string, names: readonly string[]): Promise<Peer[]> {
  if (!existsSync(join(folder, 'run.sh')))
    throw new Error(`there is no run.sh in ${resolve(folder)}: name the folder of peers with --peers`);
  return Promise.all(
    names.map(async (name) => {
      const needs = NEEDS[name];
      if (needs === undefined) throw new Error(`no peer "${name}"; there are ${Object.keys(NEEDS).join(', ')}`);
      const found = needs.module === undefined ? hasPackage(needs.package!) : await hasModule(needs.module);
      return {
        name,
        missing: found ? null : `${name} is not installed: run ${join(folder, 'setup.sh')}`,
        does: (workload: string, threads: number) =>
          (needs.workloads?.includes(workload) ?? true) && threads <= (needs.threads ?? Number.POSITIVE_INFINITY),
      };
    }),
  );
}

async function hasModule(module: string): Promise<boolean> {
  const probe = `import importlib.util as u, sys; sys.exit(u.find_spec('${module}') is None)`;
  return run('/usr/bin/python3', ['-c', probe]).then(
    () => true,
    () => false,
  );
}

function hasPackage(name: string): boolean {
  return existsSync(join(process.env.PEERS_DIR ?? join(homedir(), '.peers'), 'node_modules', name));
}

/** One run of a peer. */
export async function runPeer(
  folder: string,
  peer: string,
  options: { workload: string; threads: number; seconds: number },
): Promise<TrainFigures> {
  const { workload, threads, seconds } = options;
  const parameters = [peer, workload, String(threads), String(seconds)];
  const { stdout } = await run(join(resolve(folder), 'run.sh'), parameters, { timeout: RUN_TIMEOUT_MS });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as TrainFigures;
}
