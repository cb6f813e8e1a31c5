// Losses of a batch's rows against each other: x (rows, cols) are embeddings, labels (rows) say which belong together. Distances are Euclidean.
// One thread does a whole batch; `scratch` takes 2·rows floats.

import { fma, loadPart, storePart, sumLanes } from './lanes';

// @ts-ignore: decorator
@inline const CONTRASTIVE: u32 = 0;
// @ts-ignore: decorator
@inline const TRIPLET_ALL: u32 = 1;

// @ts-ignore: decorator
@inline
function at(x: usize, i: u32): f32 {
  return load<f32>(x + (<usize>i << 2));
}

// @ts-ignore: decorator
@inline
function labelAt(labels: usize, i: u32): i32 {
  return load<i32>(labels + (<usize>i << 2));
}

/** distances (rows): ‖x[i] − x[j]‖ */
function distancesFrom(x: usize, i: u32, distances: usize, rows: u32, cols: u32): void {
  const own = x + (<usize>(i * cols) << 2);
  for (let j: u32 = 0; j < rows; j++) {
    let s0 = f32x4.splat(0);
    let a = own;
    let n = cols;
    while (n > 0) {
      const part = min<u32>(n, 4);
      const e = f32x4.sub(loadPart(a, part), loadPart(x, part));
      s0 = fma(e, e, s0);
      a += <usize>part << 2;
      x += <usize>part << 2;
      n -= part;
    }
    store<f32>(distances + (<usize>j << 2), sqrt<f32>(sumLanes(s0)));
  }
}

/**
 * The loss of row i, and its derivative by each distance into `slopes` (rows).
 * contrastive: mean over all other rows of d² where the labels are the same, of max(0, margin − d)² where they are not.
 * triplets, all: mean over all pairs of a row p of the same label and a row n of another of max(0, margin + d[p] − d[n]).
 * triplets, hard: max(0, margin + the largest d[p] − the smallest d[n]); the first of equals. A row without a p or an n has loss 0.
 */
function lossOfRow(
  code: u32,
  i: u32,
  distances: usize,
  labels: usize,
  slopes: usize,
  rows: u32,
  margin: f32,
): f32 {
  const label = labelAt(labels, i);
  memory.fill(slopes, 0, <usize>rows << 2);
  let sum: f32 = 0;
  if (code == CONTRASTIVE) {
    if (rows == 1) return 0;
    const share: f32 = 1 / <f32>(rows - 1);
    for (let j: u32 = 0; j < rows; j++) {
      if (j == i) continue;
      const d = at(distances, j);
      const isSame = labelAt(labels, j) == label;
      const gap = isSame ? d : margin - d;
      // NaN is no smaller than 0
      if (isSame || !(gap <= 0)) {
        sum += gap * gap;
        store<f32>(slopes + (<usize>j << 2), (isSame ? 2 * gap : -2 * gap) * share);
      }
    }
    return sum * share;
  }
  let positives: u32 = 0;
  let furthest: u32 = rows;
  let nearest: u32 = rows;
  for (let j: u32 = 0; j < rows; j++) {
    if (j == i) continue;
    const d = at(distances, j);
    if (labelAt(labels, j) == label) {
      positives++;
      if (furthest == rows || !(d <= at(distances, furthest))) furthest = j;
    } else if (nearest == rows || !(d >= at(distances, nearest))) {
      nearest = j;
    }
  }
  if (furthest == rows || nearest == rows) return 0;
  if (code != TRIPLET_ALL) {
    const gap = margin + at(distances, furthest) - at(distances, nearest);
    if (gap <= 0) return 0;
    store<f32>(slopes + (<usize>furthest << 2), 1);
    store<f32>(slopes + (<usize>nearest << 2), -1);
    return gap;
  }
  const share: f32 = 1 / (<f32>positives * <f32>(rows - 1 - positives));
  for (let p: u32 = 0; p < rows; p++) {
    if (p == i || labelAt(labels, p) != label) continue;
    const far = margin + at(distances, p);
    let violations: f32 = 0;
    for (let n: u32 = 0; n < rows; n++) {
      const gap = far - at(distances, n);
      if (gap <= 0 || labelAt(labels, n) == label) continue;
      sum += gap;
      violations += 1;
      const slope = slopes + (<usize>n << 2);
      store<f32>(slope, load<f32>(slope) - share);
    }
    store<f32>(slopes + (<usize>p << 2), violations * share);
  }
  return sum * share;
}

export function pairLoss(
  code: u32,
  x: usize,
  labels: usize,
  loss: usize,
  rows: u32,
  cols: u32,
  margin: f32,
  scratch: usize,
): void {
  const slopes = scratch + (<usize>rows << 2);
  for (let i: u32 = 0; i < rows; i++) {
    distancesFrom(x, i, scratch, rows, cols);
    store<f32>(loss + (<usize>i << 2), lossOfRow(code, i, scratch, labels, slopes, rows, margin));
  }
}

/** y += a·(x − z); n floats */
function addDifference(a: f32, x: usize, z: usize, y: usize, n: u32): void {
  const factor = f32x4.splat(a);
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, fma(factor, f32x4.sub(loadPart(x, part), loadPart(z, part)), loadPart(y, part)), part);
    x += <usize>part << 2;
    z += <usize>part << 2;
    y += <usize>part << 2;
    n -= part;
  }
}

/** dx (rows, cols): every distance pulls at both of its ends; where it is 0 it has no direction, and pulls at none */
export function pairLossGrad(
  code: u32,
  x: usize,
  labels: usize,
  dloss: usize,
  dx: usize,
  rows: u32,
  cols: u32,
  margin: f32,
  scratch: usize,
): void {
  const slopes = scratch + (<usize>rows << 2);
  memory.fill(dx, 0, <usize>(rows * cols) << 2);
  for (let i: u32 = 0; i < rows; i++) {
    distancesFrom(x, i, scratch, rows, cols);
    lossOfRow(code, i, scratch, labels, slopes, rows, margin);
    const own = <usize>(i * cols) << 2;
    for (let j: u32 = 0; j < rows; j++) {
      const d = at(scratch, j);
      const slope = at(slopes, j) * at(dloss, i);
      if (slope == 0 || d == 0) continue;
      const other = <usize>(j * cols) << 2;
      addDifference(slope / d, x + own, x + other, dx + own, cols);
      addDifference(slope / d, x + other, x + own, dx + other, cols);
    }
  }
}
