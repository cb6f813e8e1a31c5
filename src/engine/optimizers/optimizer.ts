import { elementsOf, firstDim, type Graph, type Node, vectorsOf } from '../graph/graph.ts';
import { HyperBlock, type KernelName } from '../kernels/abi.ts';
import { callOuterSum, packsOfOuterSum } from '../ops/matmul.ts';
import { type Op, unitElements } from '../ops/op.ts';
import { type Argument, at } from '../plan/call.ts';
import { accumulations } from './accumulation.ts';
import { type AdagradDescription, adagradRule } from './adagrad.ts';
import { type AdamDescription, adamRule, createBiasCorrections } from './adam.ts';
import { averagings } from './averaging.ts';
import { hyperBlockOf, type ParameterGroup, rulesOfBlock } from './groups.ts';
import { type LambDescription, lambOps, lambUpdate } from './lamb.ts';
import { type LionDescription, lionRule } from './lion.ts';
import type { Rule } from './rule.ts';
import { type SgdDescription, sgdRule } from './sgd.ts';
import { type Slot, slotOf, type Update } from './slots.ts';

export type { Slot, Update };

/**
 * Optimizers. An update is a node like any other: it reads a gradient and changes a parameter (and its slots) in place, by the thread that
 * made those rows of the gradient, without a barrier between.
 *
 * What changes from step to step (learning rate, bias corrections) is read from a hyperparameter block that the leader rewrites before
 * each step; which block, follows from the parameter's group (groups.ts).
 */
export type OptimizerDescription =
  | SgdDescription
  | AdagradDescription
  | AdamDescription
  | LionDescription
  | LambDescription;

function ruleOf(optimizer: Exclude<OptimizerDescription, LambDescription>): Rule {
  switch (optimizer.type) {
    case 'sgd':
    case 'momentum':
    case 'nesterov':
      return sgdRule(optimizer);
    case 'adagrad':
    case 'adadelta':
    case 'rmsprop':
      return adagradRule(optimizer);
    case 'adam':
    case 'adamw':
    case 'adamax':
    case 'nadam':
    case 'radam':
      return adamRule(optimizer);
    case 'lion':
      return lionRule(optimizer);
  }
}

/** `target` is changed along `gradient`; its state goes by the parameter's name. */
export function update(
  graph: Graph,
  optimizer: OptimizerDescription,
  target: Node,
  gradient: Node,
  groups: readonly ParameterGroup[] = [],
  parameterName = target.attributes.name as string,
): Update {
  const block = hyperBlockOf(groups, parameterName, target);
  const createSlot = (name: string) => slotOf(graph, optimizer.type, name, parameterName, target);
  if (optimizer.type === 'lamb') return lambUpdate(graph, optimizer, target, gradient, block, createSlot);
  const rule = ruleOf(optimizer);
  const slots = rule.slots.flatMap((name) => (name === null ? [] : [createSlot(name)]));
  const node = graph.add('update', [gradient, target, ...slots.map((s) => s.node)], target.shape, {
    kernel: rule.kernel,
    present: rule.slots.map((name) => name !== null),
    constants: rule.constants,
    flops: rule.flops,
    block,
  });
  return { node, slots };
}

/** Fills the n-th hyperparameter block for update number `t`, 1 for the first. */
export type WriteHyper = (block: Float32Array, n: number, learningRate: number, t: number) => void;

export function createHyperWriter(optimizer: OptimizerDescription, groups: readonly ParameterGroup[] = []): WriteHyper {
  const createRest = () =>
    optimizer.type === 'lamb' ? createBiasCorrections(optimizer) : ruleOf(optimizer).createHyper?.();
  // one for each beginning: some carry a product on from update to update
  const rest = new Map<number, ReturnType<typeof createRest>>();
  return (block, n, learningRate, t) => {
    const rules = rulesOfBlock(groups, n, optimizer.weightDecay);
    const updates = t - rules.beginsAt;
    if (updates < 1) return;
    if (!rest.has(rules.beginsAt)) rest.set(rules.beginsAt, createRest());
    const rate = learningRate * rules.learningRateScale;
    block[HyperBlock.learningRate] = rate;
    block[HyperBlock.weightDecay] = rules.weightDecay;
    rest.get(rules.beginsAt)?.(block, rate, updates);
  };
}

interface UpdateAttributes {
  kernel: KernelName;
  present: readonly boolean[];
  constants: readonly number[];
  flops: number;
  block: number;
}
const attributesOf = (node: Node) => node.attributes as unknown as UpdateAttributes;

/** The call that changes target and slots along a gradient. */
function callUpdate(
  node: Node,
  changed: readonly Node[],
  gradient: Argument,
): { kernel: KernelName; args: Argument[] } {
  const { kernel, present, constants, block } = attributesOf(node);
  const n = unitElements(node);
  const [target, ...slots] = changed as [Node, ...Node[]];
  const state = present.map((there) => (there ? at(slots.shift()!, n) : 0));
  return { kernel, args: [at(target, n), gradient, ...state, { units: n }, ...constants, { hyper: block }] };
}

/**
 * Most elements of a weight gradient that are made before they are used: 4 MiB, in whole tiles of a product. As many rows as a block of the product
 * has at most, and no fewer than make packing the other side of it worth while.
 */
const STRIP_ELEMENTS = 2 ** 20;
const TILE_ROWS = 6;
const [STRIP_LEAST, STRIP_MOST] = [4 * TILE_ROWS, 44 * TILE_ROWS];

export const updates: Op[] = [
  {
    name: 'update',
    // the parameter and its slots
    writes: (node) => node.inputs.map((_, i) => i).slice(1),
    flops: (node) => attributesOf(node).flops * elementsOf(node),
    lower(node) {
      const [gradient, ...changed] = node.inputs as [Node, ...Node[]];
      return [callUpdate(node, changed, at(gradient, unitElements(node)))];
    },
  },
  {
    // an update along Σ x·z, made by the simplifier: a strip of the gradient's rows at a time, which is used while it is in the cache
    name: 'outerUpdate',
    sumsRows: true,
    writes: (node) => node.inputs.map((_, i) => i).slice(2),
    flops: (node) => 2 * elementsOf(node) * vectorsOf(node.inputs[0]!),
    packs: packsOfOuterSum,
    strip(node) {
      const n = unitElements(node);
      const units = Math.max(STRIP_LEAST, Math.min(STRIP_MOST, Math.floor(STRIP_ELEMENTS / n / TILE_ROWS) * TILE_ROWS));
      return { units, bytes: Math.min(units, firstDim(node)) * n * 4 };
    },
    lower(node) {
      const [x, z, ...changed] = node.inputs as [Node, Node, ...Node[]];
      const strip: Argument = { own: 'strip' };
      return [callOuterSum(x, z, strip), callUpdate(node, changed, strip)];
    },
  },
  ...lambOps,
  ...accumulations,
  ...averagings,
];
