import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A process of the service, as it runs in production; the test holds it and can kill it. */
export interface ServiceProcess {
  child: ChildProcess;
  /** SIGTERM, and the exit status */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
  /** what it said last */
  lastLines(): string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A process of `src/main/<name>.ts` with an environment of its own. */
export function launch(name: string, args: string[], environment: Record<string, string>) {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  return spawn(process.execPath, ['--import', './test/support/quick-start.ts', `src/main/${name}.ts`, ...args], {
    cwd: root,
    env: { PATH, HOME, NODE_COMPILE_CACHE, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Starts `src/main/<name>.ts`; resolves with the first log line that `isReady` accepts. */
export async function startProcess(
  name: 'all' | 'api' | 'worker',
  environment: Record<string, string>,
  isReady: (line: string) => boolean,
): Promise<ServiceProcess & { readyLine: string }> {
  const child = launch(name, [], { LOG_LEVEL: 'info', ...environment });
  const said: string[] = [];
  const exited = once(child, 'exit');
  const readyLine = await new Promise<string>((resolve, reject) => {
    const look = (line: string) => {
      said.push(line);
      if (said.length > 200) said.shift();
      if (isReady(line)) resolve(line);
    };
    createInterface({ input: child.stdout }).on('line', look);
    createInterface({ input: child.stderr }).on('line', look);
    child.once('exit', (code, signal) =>
      reject(new Error(`${name} ended (${code ?? signal}) before it was ready:\n${said.join('\n')}`)),
    );
  });
  return {
    child,
    readyLine,
    lastLines: () => said.slice(-20).join('\n'),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
      return child.exitCode;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

export async function startApiProcess(environment: Record<string, string>): Promise<ServiceProcess & { api: string }> {
  const started = await startProcess('api', { PORT: '0', ...environment }, (line) => line.includes('"docs":'));
  const { url } = JSON.parse(started.readyLine) as { url: string };
  return { ...started, api: `${url}/v1` };
}

export function startWorkerProcess(environment: Record<string, string>): Promise<ServiceProcess> {
  return startProcess('worker', environment, (line) => line.includes('waits for jobs'));
}
