import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads';
import type { Kernels } from '../kernels/abi.ts';
import { type CompiledKernels, instantiateKernels } from '../kernels/load.ts';
import type { Plan } from '../plan/compile.ts';
import { CONTROL_BYTES, PAGE_BYTES } from '../plan/layout.ts';
import { Command, createBarrier, Order, orderAt, TeamFailedError, Word } from './control.ts';
import { adviseHugePages } from './huge-pages.ts';
import { startMember } from './members.ts';
import { type Batch, ProgramRunner } from './runner.ts';

export interface TeamOptions {
  stallTimeoutMs?: number;
  /** what the leader calls in place of the kernels: for profiles */
  instrument?: ((kernels: Kernels) => Kernels) | undefined;
}

/**
 * A team of threads over one shared memory. The thread that creates it leads it: it runs its own share of every program, so it is blocked
 * while a program runs, and must not be a thread that anybody waits for.
 */
export class Team {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  readonly plan: Plan;
  readonly #members: Worker[];
  readonly #errors: MessagePort[] = [];
  readonly #control: Int32Array;
  readonly #controlFloats: Float32Array;
  readonly #barrier: () => void;
  readonly #runner: ProgramRunner;
  readonly #programIndex: Map<string, number>;
  /** orders given so far */
  #orders = 0;
  #closed = false;

  constructor(plan: Plan, compiled: CompiledKernels, options: TeamOptions = {}) {
    const stallTimeoutMs = options.stallTimeoutMs ?? 30_000;
    const pages = plan.memoryBytes / PAGE_BYTES;
    this.plan = plan;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    adviseHugePages(this.memory);
    const kernels = instantiateKernels(compiled, this.memory);
    this.kernels = options.instrument?.(kernels) ?? kernels;
    this.#control = new Int32Array(this.memory.buffer, 0, CONTROL_BYTES / 4);
    this.#controlFloats = new Float32Array(this.memory.buffer, 0, CONTROL_BYTES / 4);
    this.#barrier = createBarrier(this.#control, plan.threads, stallTimeoutMs);
    this.#runner = new ProgramRunner(plan, this.kernels, this.memory, 0, this.#barrier);
    this.#programIndex = new Map(Object.keys(plan.programs).map((name, i) => [name, i]));
    this.#members = Array.from({ length: plan.threads - 1 }, (_, i) => {
      const { port1, port2 } = new MessageChannel();
      this.#errors.push(port1);
      const { memory } = this;
      return startMember({ plan, compiled, memory, rank: i + 1, stallTimeoutMs, errors: port2 });
    });
    // a member that ends without saying so (out of memory, terminated) must not be waited for
    for (const member of this.#members) {
      const fail = () => {
        if (!this.#closed) Atomics.store(this.#control, Word.failed, 1);
      };
      member.on('error', fail);
      member.on('exit', fail);
    }
  }

  /**
   * Runs a program on a batch. `beforeUpdate` is called once every thread has left the previous run: what it writes is read after the first
   * barrier of this one. Returns false when the program's guard stopped it.
   */
  run(name: string, batch: Batch, beforeUpdate?: () => void): boolean {
    const index = this.#programIndex.get(name);
    if (index === undefined) throw new Error(`no program ${name}`);
    const control = this.#control;
    const order = orderAt(this.#orders);
    control[order + Order.program] = index;
    control[order + Order.rows] = batch.rows;
    control[order + Order.first] = batch.first;
    control[order + Order.stepLow] = batch.step;
    control[order + Order.stepHigh] = batch.step / 2 ** 32;
    this.#controlFloats[order + Order.inverseWeight] = batch.inverseWeight ?? 1 / batch.rows;
    this.#controlFloats[order + Order.inverseRows] = batch.inverseRows ?? 1 / batch.rows;
    this.#meet(Command.run);
    try {
      beforeUpdate?.();
      return this.#runner.run(this.plan.programs[name]!, batch);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Returns when every thread has finished what it was doing: now the memory may be read and changed. */
  meet(): void {
    this.#meet(Command.meet);
  }

  floats(name: string): Float32Array {
    const { address, bytes } = this.#region(name);
    return new Float32Array(this.memory.buffer, address, bytes / 4);
  }

  integers(name: string): Int32Array {
    const { address, bytes } = this.#region(name);
    return new Int32Array(this.memory.buffer, address, bytes / 4);
  }

  indices(name: string): Uint32Array {
    const { address, bytes } = this.#region(name);
    return new Uint32Array(this.memory.buffer, address, bytes / 4);
  }

  bytes(name: string): Uint8Array {
    const { address, bytes } = this.#region(name);
    return new Uint8Array(this.memory.buffer, address, bytes);
  }

  /** A named output of a program, `count` values. */
  output(program: string, name: string, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, this.plan.programs[program]!.outputs[name]!, count);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (Atomics.load(this.#control, Word.failed) === 0) {
      try {
        this.#meet(Command.exit);
      } catch {
        // a member failed meanwhile: it is terminated below
      }
    }
    for (const port of this.#errors) port.close();
    await Promise.all(this.#members.map((member) => member.terminate()));
  }

  #meet(command: number): void {
    this.#control[orderAt(this.#orders) + Order.command] = command;
    this.#orders += 1;
    try {
      this.#barrier();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Tells the others not to wait any longer; the error to throw. */
  #fail(error: unknown): unknown {
    Atomics.store(this.#control, Word.failed, 1);
    Atomics.notify(this.#control, Word.phase);
    return error instanceof TeamFailedError ? new TeamFailedError(this.#memberErrors() ?? error.message) : error;
  }

  /** The stacks that members sent before they ended; read synchronously, since this thread may never return to its event loop. */
  #memberErrors(): string | null {
    const stacks = this.#errors.flatMap((port) => receiveMessageOnPort(port)?.message ?? []);
    return stacks.length > 0 ? stacks.join('\n') : null;
  }

  #region(name: string): { address: number; bytes: number } {
    const region = this.plan.persistent[name];
    if (region === undefined) throw new Error(`the plan has no ${name}`);
    return region;
  }
}
