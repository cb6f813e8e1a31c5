// @ts-check
/** @import uPlot from 'uplot' */

/** The library, which a script of its own has brought. */
const Plot = /** @type {typeof uPlot} */ (Reflect.get(globalThis, 'uPlot'));

/** @typedef {{ name: string, split: string, points: { step: number, value: number | string }[] }} Series */
/** @typedef {{ label: string, color: string, width: number, points: Series['points'] }} Line */

const SPLITS = ['train', 'validation', 'test'];
const SPLIT_WORDS = { train: 'training', validation: 'validation', test: 'test' };
/** The mean over an epoch of what the steps of `loss` told. */
const EPOCH_LOSS = 'epoch_loss';
const LEAST_HEIGHT = 220;
const MOST_HEIGHT = 420;

/** Names to choose from: the loss first. @param {Series[]} all */
export function listNames(all) {
  const names = [...new Set(all.map(({ name }) => (name === EPOCH_LOSS ? 'loss' : name)))];
  return names.sort((a, b) => Number(b === 'loss') - Number(a === 'loss') || (a < b ? -1 : 1));
}

/** One name's series of all splits by step, in `place`; drawn anew when something changes. */
export class Curve {
  /** @type {uPlot | null} */
  #plot = null;
  /** what lines there are, and how they look: as long as it stays, only points are handed on */
  #form = '';
  #place;

  /** @param {HTMLElement} place */
  constructor(place) {
    this.#place = place;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(place);
  }

  /**
   * @param {Series[]} all
   * @param {string} name
   * @param {boolean} isLog of values above zero alone
   * @returns {{ points: number, step: number, text: string }} how many there are, up to which step, and the last values
   */
  draw(all, name, isLog) {
    const lines = this.#chooseLines(all, name);
    const tables = lines.map(({ points }) => {
      const values = points.map(({ value }) => (typeof value === 'number' && (!isLog || value > 0) ? value : null));
      return /** @type {uPlot.AlignedData} */ ([points.map(({ step }) => step), values]);
    });
    const form = JSON.stringify([isLog, lines.map(({ points, ...look }) => look)]);
    const data = tables.length === 0 ? null : Plot.join(tables);
    if (form !== this.#form || data === null) {
      this.#form = form;
      this.#plot?.destroy();
      this.#plot = data === null ? null : new Plot(this.#describe(lines, isLog), data, this.#place);
    } else this.#plot?.setData(data);
    const lasts = lines.flatMap(({ label, points }) => (points.length === 0 ? [] : `${label} ${points.at(-1)?.value}`));
    return {
      points: lines.reduce((sum, { points }) => sum + points.length, 0),
      step: lines.reduce((most, { points }) => Math.max(most, points.at(-1)?.step ?? 0), 0),
      text: `${name} by step: ${lasts.join(', ')}`,
    };
  }

  /** @param {Series[]} all @param {string} name @returns {Line[]} */
  #chooseLines(all, name) {
    const means = name === 'loss' ? all.find((series) => series.name === EPOCH_LOSS) : undefined;
    const own = SPLITS.flatMap((split) => all.find((series) => series.name === name && series.split === split) ?? []);
    const isSteps = (/** @type {Series} */ { split }) => means !== undefined && split === 'train';
    const lines = own.map((series) => ({
      label: isSteps(series) ? 'training, by step' : SPLIT_WORDS[/** @type {'train'} */ (series.split)],
      color: this.#color(isSteps(series) ? 'steps' : series.split),
      width: isSteps(series) ? 1 : 2,
      points: series.points,
    }));
    if (means === undefined) return lines;
    const epochs = { label: 'training, by epoch', color: this.#color('train'), width: 2, points: means.points };
    return [...lines.slice(0, 1), epochs, ...lines.slice(1)];
  }

  /** @param {string} name */
  #color(name) {
    return getComputedStyle(this.#place).getPropertyValue(`--${name}`).trim();
  }

  #size() {
    const width = this.#place.clientWidth;
    return { width, height: Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, Math.round(width * 0.45))) };
  }

  /** @param {Line[]} lines @param {boolean} isLog @returns {uPlot.Options} */
  #describe(lines, isLog) {
    const axis = {
      stroke: this.#color('ink'),
    };
    const line = { stroke: this.#color('line'), width: 1 };
    // of a logarithmic scale the powers of ten alone
    const marks = isLog ? { ...line, filter: keepDecades } : line;
    return {
      ...this.#size(),
      scales: { x: { time: false }, y: isLog ? { distr: 3, log: 10 } : {} },
      axes: [
        {
          ...axis,
          grid: line,
          ticks: line,
          values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? writeTick(tick) : '')),
        },
        {
          ...axis,
          grid: marks,
          ticks: marks,
          size: 72,
          values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : writeTick(tick))),
        },
      ],
      series: [
        { label: 'step' },
        ...lines.map(({ label, color, width }) => ({
          label,
          stroke: color,
          width,
          value: (/** @type {uPlot} */ _, /** @type {number | null} */ value) =>
            value === null || value === undefined ? '–' : String(Number(value.toPrecision(5))),
        })),
      ],
    };
  }
}

/** @param {uPlot} _ @param {number[]} splits */
const keepDecades = (_, splits) =>
  splits.map((value) => (Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9 ? value : null));

/** @param {number} tick */
function writeTick(tick) {
  const size = Math.abs(tick);
  return size !== 0 && (size >= 1e6 || size < 1e-3)
    ? tick.toExponential().replace(/\.\d{4,}/, (digits) => digits.slice(0, 3))
    : String(Number(tick.toPrecision(6)));
}
