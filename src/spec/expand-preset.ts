import type { Choose } from './choice.ts';
import { describeLayers } from './choose-model.ts';
import type { Add, Draft } from './draft.ts';
import { fillDefaults } from './expand-request.ts';
import { Layer } from './model.ts';
import { type LearnsFrom, PRESETS, type PresetName } from './presets.ts';
import { listWords } from './suggest.ts';

const WORDS: Record<LearnsFrom, string> = { corpus: 'a corpus', image: 'an image alone', rows: 'columns' };

/** Writes the layers of `model.preset` out, if it names one. `learnsFrom`: what the dataset offers; an image may also be taken as a row of numbers. */
export function expandPreset({ model }: Draft, learnsFrom: LearnsFrom, add: Add, choose: Choose): void {
  const { preset: name } = model;
  if (name === null) return;
  const { from, about, layers } = PRESETS[name as PresetName];
  const fits = (of: LearnsFrom) => of === learnsFrom || (of === 'rows' && learnsFrom === 'image');
  if (model.layers !== undefined) {
    add('/model/preset', 'the layers are known already', 'a preset, or layers, or weights to begin from');
  } else if (!fits(from)) {
    const fitting = Object.entries(PRESETS).flatMap(([other, preset]) => (fits(preset.from) ? [other] : []));
    add('/model/preset', `${name} learns from ${WORDS[from]}, not from ${WORDS[learnsFrom]}`, listWords(fitting));
  } else {
    model.layers = layers.map((layer) => fillDefaults(Layer, layer));
    choose('/model/layers', describeLayers(layers), `The preset ${name}: ${about}.`);
  }
  // the layers say it all: what comes back can be posted again, with changes
  model.preset = null;
}
