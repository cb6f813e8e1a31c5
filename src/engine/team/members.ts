import { type MessagePort, Worker } from 'node:worker_threads';
import type { CompiledKernels } from '../kernels/load.ts';
import type { Plan } from '../plan/compile.ts';

export interface MemberData {
  plan: Plan;
  compiled: CompiledKernels;
  memory: WebAssembly.Memory;
  rank: number;
  stallTimeoutMs: number;
  /** where the member leaves its stack when it fails */
  errors: MessagePort;
}

/** Members made ready ahead: loading their code takes longer than compiling a plan. */
const spares: Worker[] = [];

function createMember(): Worker {
  return new Worker(new URL('./member.ts', import.meta.url), { execArgv: [], name: 'engine' });
}

/** Makes threads ready for the next team that this thread will lead. */
export function prepareMembers(count: number): void {
  while (spares.length < count) {
    const member = createMember();
    // one that dies before it has work is not missed
    const forget = () => {
      const index = spares.indexOf(member);
      if (index >= 0) spares.splice(index, 1);
    };
    member.once('error', forget);
    member.once('exit', forget);
    member.unref();
    spares.push(member);
  }
}

/** A thread that is member of a team from now on. */
export function startMember(data: MemberData): Worker {
  const member = spares.shift() ?? createMember();
  member.ref();
  member.postMessage(data, [data.errors]);
  return member;
}
