/** Columns that may be the steps of one array. */
interface Steps {
  name: string;
  /** of the current row: steps that have a value, and the last of them */
  count: number;
  last: number;
  /** by step: the row in which it had its last value */
  seen: Map<number, { row: number }>;
}

/** A column as a step of an array. */
interface Place {
  steps: Steps;
  step: number;
  seen: { row: number };
}

/** Tells of columns x_0, x_1, … (or x_0_0, x_0_1, x_1_0, …) whether values are missing at the ends of rows alone, as where arrays end early. */
export class RowEnds {
  /** by name; null: a row has a value behind a step that has none */
  readonly #arrays = new Map<string, Steps | null>();
  /** of each column, the arrays whose step it may be */
  readonly #places: (readonly Place[])[] = [];
  readonly #touched: Steps[] = [];
  #row = 1;

  addColumn(name: string): void {
    const [, base = '', step = '', inner = ''] = /^(.*?)_(\d{1,5})(?:_(\d{1,5}))?$/.exec(name) ?? [];
    const places = step === '' ? [] : [this.#place(base, Number(step))];
    if (inner !== '') places.push(this.#place(`${base}_${step}`, Number(inner)));
    this.#places.push(places);
  }

  #place(name: string, step: number): Place {
    const steps = this.#arrays.get(name) ?? { name, count: 0, last: -1, seen: new Map() };
    const seen = steps.seen.get(step) ?? { row: 0 };
    steps.seen.set(step, seen);
    this.#arrays.set(name, steps);
    return { steps, step, seen };
  }

  /** The current row has a value in the column of this place. */
  addValue(column: number): void {
    const places = this.#places[column]!;
    for (let i = 0; i < places.length; i++) {
      const { steps, step, seen } = places[i]!;
      if (seen.row === this.#row) continue;
      seen.row = this.#row;
      if (steps.count++ === 0) this.#touched.push(steps);
      if (step > steps.last) steps.last = step;
    }
  }

  endRow(): void {
    for (const steps of this.#touched) {
      if (steps.count !== steps.last + 1) this.#arrays.set(steps.name, null);
      steps.count = 0;
      steps.last = -1;
    }
    this.#touched.length = 0;
    this.#row++;
  }

  /** Whether no row has had a value of the array behind a step without one. */
  has(name: string): boolean {
    return this.#arrays.get(name) != null;
  }
}
