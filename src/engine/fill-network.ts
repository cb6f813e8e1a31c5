import type { Parameter } from './layers/context.ts';
import type { Team } from './team/team.ts';

/** Writes all of a network's parameters into a team's memory. Throws where one has no weights, or not as many as it takes. */
export function fillParameters(
  team: Team,
  parameters: readonly Parameter[],
  weights: ReadonlyMap<string, Float32Array>,
): void {
  for (const { name, node } of parameters) {
    const target = team.floats(node.attributes.name as string);
    const values = weights.get(name);
    if (values === undefined) throw new Error(`no weights for ${name}`);
    if (values.length !== target.length) throw new Error(`${name} has ${values.length} values, not ${target.length}`);
    target.set(values);
  }
}

/** Rows of the tables are gone through as they lie there. */
export function fillInOrder(order: Uint32Array): void {
  order.forEach((_, i) => {
    order[i] = i;
  });
}
