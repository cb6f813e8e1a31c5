import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const BUILDER = new URL('../../scripts/build-kernels.ts', import.meta.url);

/** The kernels are older than their sources, and cannot be built. */
export class StaleKernelsError extends Error {
  constructor() {
    super(
      'The kernels in build/kernels are not those of the sources, and building them failed (see above). Run `npm ci`, which brings their compiler, and start again.',
    );
  }
}

/**
 * Builds the kernels anew where they are older than their sources: such ones fail their check, and what is fallen back to is a hundred times slower. An
 * image, which comes without the builder, has those that were made with it. Errors: StaleKernelsError.
 */
export async function freshenKernels(builder = BUILDER): Promise<void> {
  if (!existsSync(builder)) return;
  const { areKernelsFresh } = (await import(builder.href)) as { areKernelsFresh(): boolean };
  if (areKernelsFresh()) return;
  // in a process of its own, which takes the compiler's memory with it
  const child = spawn(process.execPath, [fileURLToPath(builder)], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [status] = await once(child, 'exit');
  if (status !== 0) throw new StaleKernelsError();
}
