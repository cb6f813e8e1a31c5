import { closed, tag } from '../schema.ts';
import { layerFields } from './fields.ts';
import { layerRule, misfit, type RowShape, type ShapeAfter, type Size, show } from './rule.ts';

/** Layers that take several others' outputs: residual and skip connections. */

const arity = { minimum: 2, maximum: 64 };

function sameShape(type: string, inputs: readonly RowShape[]): ShapeAfter {
  const known = inputs.filter((shape) => shape !== null);
  const [first] = known;
  if (first === undefined) return { shape: null };
  const other = known.find(
    (s) => s.length !== first.length || s.some((n, i) => n !== first[i] && n !== null && first[i] !== null),
  );
  if (other !== undefined)
    return misfit('inputs', `${type} takes equal shapes, not ${show(first)} and ${show(other)}`, show(first));
  return { shape: first };
}

export const add = layerRule({
  schema: closed(
    { type: tag('add'), ...layerFields },
    { title: 'AddLayer', description: 'Sum of its inputs, which have one shape: a residual connection.' },
  ),
  arity,
  shapeAfter: ({ type }, inputs) => sameShape(type, inputs),
});

export const multiply = layerRule({
  schema: closed(
    { type: tag('multiply'), ...layerFields },
    { title: 'MultiplyLayer', description: 'Product of its inputs, element by element: a gate.' },
  ),
  arity,
  shapeAfter: ({ type }, inputs) => sameShape(type, inputs),
});

export const concatenate = layerRule({
  schema: closed(
    { type: tag('concatenate'), ...layerFields },
    {
      title: 'ConcatenateLayer',
      description: 'Its inputs side by side along the last dimension: (…, a) and (…, b) become (…, a + b).',
    },
  ),
  arity,
  shapeAfter({ type }, inputs) {
    if (inputs.some((shape) => shape === null)) return { shape: null };
    const known = inputs as (readonly Size[])[];
    const head = known[0]!.slice(0, -1);
    const other = known.find((s) => s.length !== head.length + 1 || s.slice(0, -1).some((n, i) => n !== head[i]));
    if (other !== undefined)
      return misfit(
        'inputs',
        `${type} takes shapes that differ in the last dimension only, not ${show(known[0]!)} and ${show(other)}`,
        show([...head, null]),
      );
    const last = known.reduce<Size>((sum, s) => (sum === null || s.at(-1) === null ? null : sum + s.at(-1)!), 0);
    return { shape: [...head, last] };
  },
});
