import { MOST_STAGES } from './adaptation.ts';
import { isSearch } from './check-search.ts';
import type { Add, Draft } from './draft.ts';
import { furtherTargets, outputName } from './further-targets.ts';
import type { JobSpec } from './job-spec.ts';
import { ruleOf } from './layers/rules.ts';
import { matchesPattern } from './matches-pattern.ts';
import { pointerTo } from './mistake.ts';
import { countOf } from './show-count.ts';
import { didYouMean, listWords } from './suggest.ts';

/**
 * Which layers are trained when, and how fast: gradual unfreezing, and learning rates that fall from the head down (Howard & Ruder 2018, "Universal
 * language model fine-tuning for text classification").
 */

/** Layers with parameters, from the head down. The layers that tell the targets stand together at the top. */
export function listFromHead(spec: Pick<JobSpec, 'model' | 'target' | 'more_targets'>): string[][] {
  const { model } = spec;
  const hidden = model.layers
    .filter(
      (layer) =>
        (
          ruleOf(layer).parameters?.(
            layer,
            layer.inputs.map(() => null),
          ) ?? []
        ).length > 0,
    )
    .map(({ name }) => [name]);
  const heads = [
    ...(model.output === null ? [] : ['output']),
    ...furtherTargets(spec).map(({ name }) => outputName(name)),
  ];
  if (model.output !== null) return [heads, ...hidden.toReversed()];
  const [last = [], ...others] = hidden.toReversed();
  return [[...last, ...heads], ...others];
}

/** The layer that a parameter is of. */
export function layerOf(parameterName: string): string {
  return parameterName.slice(0, parameterName.indexOf('.'));
}

/** Epochs before a layer is trained; 0: from the beginning. Specs from before there was unfreezing have no such field. */
export function epochOfUnfreezing({ model }: JobSpec, layer: string): number {
  const stage = (model.unfreeze ?? []).find(({ layers }) => layers.some((pattern) => matchesPattern(layer, pattern)));
  return stage?.epoch ?? 0;
}

/** Writes `gradual` out, and says what of a schedule makes no sense. */
export function resolveUnfreezing(spec: Draft, add: Add): void {
  const { model, training } = spec;
  const groups = listFromHead(spec);
  if (isSearch(training.optimizer)) {
    const expected = `another optimizer than ${training.optimizer.type}`;
    const what = `${training.optimizer.type} moves all weights together`;
    if (model.unfreeze === 'gradual' || model.unfreeze.length > 0) add('/model/unfreeze', what, expected);
    if (training.layer_decay !== null) add('/training/layer_decay', what, expected);
  }
  if (model.unfreeze === 'gradual') {
    const [, ...below] = groups;
    const stages = below.slice(0, MOST_STAGES).map((layers, i) => ({ epoch: i + 1, layers }));
    // what is left of very deep networks comes with the last
    for (const layers of below.slice(MOST_STAGES)) stages.at(-1)!.layers.push(...layers);
    model.unfreeze = stages;
    if (training.epochs !== null && stages.length >= training.epochs)
      add(
        '/model/unfreeze',
        `training is over after ${countOf(training.epochs, 'epoch')}, before ${listWords(stages.at(-1)!.layers)} would be trained`,
        `training.epochs of at least ${stages.length + 1}, or a list of entries`,
      );
    return;
  }
  checkStages(spec as JobSpec, groups.flat(), add);
}

function checkStages({ model, training }: JobSpec, layers: readonly string[], add: Add): void {
  const left = new Set(layers);
  model.unfreeze.forEach(({ epoch, layers: patterns }, i) => {
    const at = pointerTo('/model/unfreeze', i);
    if (training.epochs !== null && epoch >= training.epochs)
      add(
        `${at}/epoch`,
        `training is over after ${countOf(training.epochs, 'epoch')}`,
        `at most ${training.epochs - 1}`,
      );
    patterns.forEach((pattern, j) => {
      const pointer = pointerTo(`${at}/layers`, j);
      const matching = layers.filter((name) => matchesPattern(name, pattern));
      if (matching.length === 0)
        add(
          pointer,
          `"${pattern}" fits no layer with parameters.${didYouMean(pattern, layers)}`,
          `one of: ${listWords(layers)}, with * for any characters`,
        );
      else if (!matching.some((name) => left.has(name)))
        add(pointer, `every layer that "${pattern}" fits is unfrozen by an entry before it`, 'each layer once');
      for (const name of matching) left.delete(name);
    });
  });
  if (layers.length > 0 && left.size === 0)
    add('/model/unfreeze', 'every layer is frozen in the first epoch', 'a schedule that leaves at least the head out');
}
