import { fillInOrder, fillParameters } from './fill-network.ts';
import { elementsOf, Graph } from './graph/graph.ts';
import type { CompiledKernels } from './kernels/load.ts';
import type { LayerDescription } from './layers/description.ts';
import { ModelBuilder } from './layers/layer.ts';
import { gather, rowOrder, table } from './ops/leaves.ts';
import { compile } from './plan/compile.ts';
import { Team } from './team/team.ts';

/** A trained network, ready to answer: forward pass only, one thread. */
export class NetworkPredictor {
  readonly inputWidth: number;
  readonly outputWidth: number;
  readonly maxRows: number;
  readonly #team: Team;
  readonly #outputs: Float32Array;

  /** `weights` by parameter name; every one of the layers' must be there, of the right length. */
  constructor(
    layers: readonly LayerDescription[],
    inputWidth: number,
    weights: ReadonlyMap<string, Float32Array>,
    compiled: CompiledKernels,
    maxRows = 1024,
  ) {
    const graph = new Graph();
    const builder = new ModelBuilder(graph, { low: 0, high: 0 });
    const rows = table(graph, { name: 'features', rows: maxRows, dims: [inputWidth], element: 'f32' });
    const outputs = builder.build(gather(graph, rows, rowOrder(graph, 'order', maxRows)), layers, false);
    const plan = compile(graph, { predict: { outputs: { outputs }, maxRows } }, { threads: 1 });
    this.inputWidth = inputWidth;
    this.outputWidth = elementsOf(outputs);
    this.maxRows = maxRows;
    this.#team = new Team(plan, compiled);
    this.#outputs = this.#team.output('predict', 'outputs', maxRows * this.outputWidth);
    fillInOrder(this.#team.indices('order'));
    for (const [name, values] of builder.constants) this.#team.floats(name).set(values);
    fillParameters(this.#team, builder.parameters, weights);
  }

  /** of the engine: weights, and values between layers for `maxRows` rows */
  get memoryBytes(): number {
    return this.#team.plan.memoryBytes;
  }

  /** Outputs (rows × outputWidth) for prepared inputs (rows × inputWidth). */
  predict(inputs: Float32Array): Float32Array {
    const rows = inputs.length / this.inputWidth;
    const outputs = new Float32Array(rows * this.outputWidth);
    const features = this.#team.floats('features');
    for (let first = 0; first < rows; first += this.maxRows) {
      const part = Math.min(this.maxRows, rows - first);
      features.set(inputs.subarray(first * this.inputWidth, (first + part) * this.inputWidth));
      this.#team.run('predict', { rows: part, first: 0, step: 0 });
      outputs.set(this.#outputs.subarray(0, part * this.outputWidth), first * this.outputWidth);
    }
    return outputs;
  }

  close(): Promise<void> {
    return this.#team.close();
  }
}
