import type { Add, Draft } from './draft.ts';
import { MOST_STEPS } from './further-targets.ts';
import { isOfPairs, takesRaw } from './loss.ts';
import { pointerTo } from './mistake.ts';
import type { ColumnFinder, ResolvedTarget } from './resolve-columns.ts';

/** Forecasts: what follows from `forecast`, and what makes no sense beside it. */

/** Before the split is looked at, which is by time. `given`: as it was sent. */
export function beginForecast(spec: Draft, given: Draft, add: Add): void {
  const { forecast, split } = spec;
  if (forecast === null) {
    (spec.inputs ?? []).forEach((input: Draft, i: number) => {
      if (input.smooth !== undefined)
        add(pointerTo('/inputs', i, 'smooth'), 'goes over the rows of a series', 'leave it out, or say forecast');
    });
    return;
  }
  for (const field of ['group_by', 'given_by', 'duplicates', 'balance'] as const)
    if (split[field] !== undefined) {
      add(`/split/${field}`, 'the rows of a forecast are split by time', 'leave it out');
      delete split[field];
    }
  if (split.stratify === true) add('/split/stratify', 'the rows of a forecast are split by time', 'false');
  const { order_by: orderBy, group_by: groupBy } = forecast;
  // of an order that a column tells, the split says it
  if (given.split?.shuffle === true && orderBy === undefined)
    add('/split/shuffle', 'the rows of a forecast are split by time: the end is for test', 'false');
  split.shuffle = false;
  split.stratify = false;
  if (orderBy === undefined && groupBy !== undefined)
    add('/forecast/group_by', 'rows of several series have no order in the dataset', 'forecast.order_by as well');
  if (split.order_by !== undefined && split.order_by !== orderBy)
    add(
      '/split/order_by',
      'rows are split in the order of the forecast',
      'leave it out, or the same as forecast.order_by',
    );
  if (orderBy !== undefined) split.order_by = orderBy;
  if (orderBy !== undefined && orderBy === groupBy)
    add('/forecast/group_by', `"${groupBy}" tells the time`, 'a column that tells series apart');
  if (spec.more_targets.length > 0) {
    add('/more_targets', 'a forecast tells one target, which may be several columns', 'none, or target.columns');
    spec.more_targets = [];
  }
  if (spec.training.distillation !== null) add('/training/distillation', 'a forecast follows no teacher here', 'null');
  if (spec.training.sample_weight !== null)
    add('/training/sample_weight', 'windows have no weights of their own', 'null');
}

/** What follows from the target, whose inputs are not known yet. */
export function resolveForecast(spec: Draft, target: ResolvedTarget | null, finder: ColumnFinder, add: Add): void {
  const { forecast, training, inputs } = spec;
  if (forecast === null || target === null) return;
  if (target.classes !== null) checkClasses(spec, add);
  if (target.resolved.outliers !== undefined)
    add('/target/outliers', 'a series is told as it is', 'leave it out, or clip it as an input');
  if (forecast.group_by !== undefined) finder.find(forecast.group_by, '/forecast/group_by');
  const loss = training.loss?.type;
  const isRaw = loss !== undefined && takesRaw(loss);
  forecast.difference ??= !isRaw && target.classes === null && target.resolved.transform === undefined;
  if (forecast.difference && target.classes !== null)
    add('/forecast/difference', 'classes have no difference', 'false');
  else if (forecast.difference) {
    if (isRaw) add('/forecast/difference', `${loss} takes its target as it is`, 'false');
    if (target.resolved.transform !== undefined)
      add(
        '/target/transform',
        'is of values, and what is learnt is their change',
        'leave it out, or forecast.difference false',
      );
    const named = (inputs ?? []).map(({ column }: Draft) => column);
    for (const name of target.resolved.columns)
      if (inputs !== undefined && !named.includes(name))
        add(
          '/inputs',
          `changes are told from the last "${name}", which is no input`,
          `"${name}" as well, or forecast.difference false`,
        );
  }
  (inputs ?? []).forEach((input: Draft, i: number) => {
    checkInput(input, i, finder, add);
  });
}

/** Each step of a category is told by an output layer of its own, and its loss is one of several. */
function checkClasses({ forecast, training, model }: Draft, add: Add): void {
  const { horizon } = forecast;
  const { loss } = training;
  if (loss?.type !== undefined && isOfPairs(loss))
    add('/training/loss', `${loss.type} makes embeddings, and a forecast tells classes`, 'cross_entropy');
  if (horizon > MOST_STEPS)
    add('/forecast/horizon', `a category is told at most ${MOST_STEPS} rows ahead`, `at most ${MOST_STEPS}`);
  if (horizon === 1) return;
  if (model.output === null)
    add('/model/output', 'each row ahead has an output layer of its own', 'an object, or nothing');
  for (const field of ['class_weights', 'ignore_class'])
    if (loss?.[field] != null)
      add(`/training/loss/${field}`, 'is for a category that is told one row ahead', 'null, or forecast.horizon 1');
}

function checkInput(input: Draft, i: number, finder: ColumnFinder, add: Add): void {
  const at = (...field: string[]) => pointerTo('/inputs', i, ...field);
  const type = input.type ?? finder.columns.find(({ name }) => name === input.column)?.type;
  if (type === 'image' || type === 'text')
    add(at('column'), `a forecast takes no ${type}`, 'number, category, boolean and date columns');
  if (input.encoding === 'target') add(at('encoding'), 'is not for a forecast', 'one_hot, index, ordinal or hash');
  if (input.outliers?.action === 'drop')
    add(at('outliers', 'action'), 'a series without some of its rows is another one', 'clip');
  if (input.into !== undefined && input.into !== 'input')
    add(at('into'), 'the columns of a forecast are one input', 'leave it out');
  const { smooth } = input;
  if (smooth?.type !== 'savitzky_golay') return;
  const { span = 5, degree = 2 } = smooth;
  if (span % 2 === 0) add(at('smooth', 'span'), `${span} rows have none in their middle`, 'an odd number');
  if (degree >= span)
    add(at('smooth', 'degree'), `${span} rows tell no polynomial of degree ${degree}`, `at most ${span - 1}`);
}

/** Rows that a window is made of, with what smoothing looks back to. */
export function lookbackOf({ forecast, inputs }: Draft): number {
  const spans = (inputs as Draft[]).map(({ smooth }) => smooth?.span ?? 1);
  return forecast.window + Math.max(...spans) - 1;
}

/** Windows of each part: of several series, as far as they are counted. */
export function countWindows(
  spec: Draft,
  rows: { train: number; validation: number; test: number },
  finder: ColumnFinder,
  add: Add,
): { train: number; validation: number; test: number } {
  const { forecast } = spec;
  if (forecast === null) return rows;
  const lookback = lookbackOf(spec);
  const taken = lookback + forecast.horizon - 1;
  const column = finder.columns.find(({ name }) => name === forecast.group_by);
  const series = column === undefined ? 1 : (column.distinct ?? 1);
  const count = (all: number) => Math.max(0, all - taken * series);
  if (rows.train <= taken)
    add(
      '/forecast/window',
      `the training split has ${rows.train} rows, and a window of ${lookback} with ${forecast.horizon} behind it needs ${taken + 1}`,
      rows.train > forecast.horizon
        ? `at most ${rows.train - forecast.horizon - (lookback - forecast.window)}, or more rows`
        : 'more rows, or a shorter horizon',
    );
  return {
    train: Math.max(1, Math.ceil(count(rows.train) / forecast.stride)),
    validation: count(rows.validation),
    test: count(rows.test),
  };
}
