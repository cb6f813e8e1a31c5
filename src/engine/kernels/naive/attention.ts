import type { Kernels, Pointer } from '../abi.ts';
import { at, type Views } from './views.ts';

export function createAttention({
  f32,
}: Views): Pick<Kernels, 'attention' | 'cachedAttention' | 'attentionGrad' | 'attentionTangent' | 'rotary'> {
  const dot = (a: number, b: number, n: number) => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += f32[a + i]! * f32[b + i]!;
    return sum;
  };

  /** One head of one row: indices of its first query, key and value, and how far the next ones are. */
  interface Head {
    q: number;
    k: number;
    v: number;
    ldq: number;
    ldk: number;
  }

  /** Weights of every key for query i; 0 for those it does not see. */
  function weightsOf(
    { q, k, ldq, ldk }: Head,
    i: number,
    causal: number,
    querySteps: number,
    keySteps: number,
    depth: number,
    mask: Pointer,
    row: number,
  ): number[] {
    const scores = Array.from({ length: keySteps }, (_, t) => {
      const seen = !causal || t <= i + keySteps - querySteps;
      if (!seen || (mask !== 0 && f32[at(mask) + row * keySteps + t] === 0)) return Number.NEGATIVE_INFINITY;
      return dot(q + i * ldq, k + t * ldk, depth) / Math.sqrt(depth);
    });
    const top = Math.max(...scores);
    if (top === Number.NEGATIVE_INFINITY) return scores.map(() => 0);
    const powers = scores.map((score) => Math.exp(score - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  }

  const attention: Kernels['attention'] = (
    ...[causal, rows, querySteps, keySteps, heads, keyHeads, depth, q, ldq, k, v, ldk, mask, y]
  ) => {
    for (let row = 0; row < rows; row++) {
      for (let h = 0; h < heads; h++) {
        const shared = Math.floor(h / (heads / keyHeads)) * depth;
        const head = {
          ...{ q: at(q) + row * querySteps * ldq + h * depth, ldq, ldk },
          ...{ k: at(k) + row * keySteps * ldk + shared, v: at(v) + row * keySteps * ldk + shared },
        };
        for (let i = 0; i < querySteps; i++) {
          const weights = weightsOf(head, i, causal, querySteps, keySteps, depth, mask, row);
          for (let j = 0; j < depth; j++) {
            const sum = weights.reduce((total, weight, t) => total + weight * f32[head.v + t * ldk + j]!, 0);
            f32[at(y) + (row * querySteps + i) * heads * depth + h * depth + j] = sum;
          }
        }
      }
    }
  };

  return {
    attention,

    cachedAttention(
      ...[rows, steps, heads, keyHeads, depth, x, slots, positions, cache, context, mask, kept, y, scratch]
    ) {
      const width = heads * depth;
      const own = 2 * keyHeads * depth;
      for (let row = 0; row < rows; row++) {
        const first = f32[at(positions) + row * steps]!;
        const place = f32[at(slots) + row]! * context;
        const from = at(x) + row * steps * (width + own);
        for (let t = 0; t < steps; t++) {
          const vector = from + t * (width + own) + width;
          f32.copyWithin(at(cache) + (place + first + t) * own, vector, vector + own);
          if (mask !== 0) f32[at(kept) + place + first + t] = f32[at(mask) + row * steps + t]!;
        }
        const k = 4 * (at(cache) + place * own);
        const seen = mask === 0 ? 0 : 4 * (at(kept) + place);
        const keysAndValues = [k, k + 2 * own, own] as const;
        const to = 4 * (at(y) + row * steps * width);
        const sizes = [1, 1, steps, first + steps, heads, keyHeads, depth] as const;
        attention(...sizes, 4 * from, width + own, ...keysAndValues, seen, to, scratch);
      }
    },

    attentionGrad(
      causal,
      rows,
      querySteps,
      keySteps,
      heads,
      keyHeads,
      depth,
      dy,
      q,
      ldq,
      k,
      v,
      ldk,
      mask,
      dq,
      dk,
      dv,
      rowBytesOfDq,
      rowBytesOfDk,
    ) {
      for (let row = 0; row < rows; row++) {
        const toK = at(dk) + (row * rowBytesOfDk) / 4;
        const toV = at(dv) + (row * rowBytesOfDk) / 4;
        for (let t = 0; t < keySteps; t++) {
          f32.fill(0, toK + t * ldk, toK + t * ldk + keyHeads * depth);
          f32.fill(0, toV + t * ldk, toV + t * ldk + keyHeads * depth);
        }
        for (let h = 0; h < heads; h++) {
          const shared = Math.floor(h / (heads / keyHeads)) * depth;
          const head = {
            ...{ q: at(q) + row * querySteps * ldq + h * depth, ldq, ldk },
            ...{ k: at(k) + row * keySteps * ldk + shared, v: at(v) + row * keySteps * ldk + shared },
          };
          for (let i = 0; i < querySteps; i++) {
            const out = at(dy) + (row * querySteps + i) * heads * depth + h * depth;
            const weights = weightsOf(head, i, causal, querySteps, keySteps, depth, mask, row);
            const dWeights = weights.map((_, t) => dot(out, head.v + t * ldk, depth));
            const mean = weights.reduce((sum, weight, t) => sum + weight * dWeights[t]!, 0);
            const dScores = weights.map((weight, t) => (weight * (dWeights[t]! - mean)) / Math.sqrt(depth));
            for (let j = 0; j < depth; j++) {
              f32[at(dq) + (row * rowBytesOfDq) / 4 + i * ldq + h * depth + j] = dScores.reduce(
                (sum, score, t) => sum + score * f32[head.k + t * ldk + j]!,
                0,
              );
              for (let t = 0; t < keySteps; t++) {
                f32[toV + t * ldk + shared + j]! += weights[t]! * f32[out + j]!;
                f32[toK + t * ldk + shared + j]! += dScores[t]! * f32[head.q + i * ldq + j]!;
              }
            }
          }
        }
      }
    },

    attentionTangent(
      ...[causal, rows, querySteps, keySteps, heads, keyHeads, depth, gq, gk, gv, rowBytesOfGq, rowBytesOfGk, ...rest]
    ) {
      const [q, ldq, k, v, ldk, mask, y] = rest;
      for (let row = 0; row < rows; row++) {
        for (let h = 0; h < heads; h++) {
          const shared = Math.floor(h / (heads / keyHeads)) * depth;
          const head = {
            ...{ q: at(q) + row * querySteps * ldq + h * depth, ldq, ldk },
            ...{ k: at(k) + row * keySteps * ldk + shared, v: at(v) + row * keySteps * ldk + shared },
          };
          const movedQ = at(gq) + (row * rowBytesOfGq) / 4 + h * depth;
          const [movedK, movedV] = [gk, gv].map((g) => at(g) + (row * rowBytesOfGk) / 4 + shared) as [number, number];
          for (let i = 0; i < querySteps; i++) {
            const weights = weightsOf(head, i, causal, querySteps, keySteps, depth, mask, row);
            const moved = weights.map((_, t) => {
              const byQuery = dot(movedQ + i * ldq, head.k + t * ldk, depth);
              return (byQuery + dot(head.q + i * ldq, movedK + t * ldk, depth)) / Math.sqrt(depth);
            });
            const mean = weights.reduce((sum, weight, t) => sum + weight * moved[t]!, 0);
            for (let j = 0; j < depth; j++) {
              f32[at(y) + (row * querySteps + i) * heads * depth + h * depth + j] = weights.reduce(
                (sum, weight, t) =>
                  sum + weight * ((moved[t]! - mean) * f32[head.v + t * ldk + j]! + f32[movedV + t * ldk + j]!),
                0,
              );
            }
          }
        }
      }
    },

    rotary(x, table, y, rows, steps, heads, depth, ld, sign) {
      for (let v = 0; v < rows * steps; v++) {
        const angles = at(table) + (v % steps) * depth;
        const from = at(x) + v * ld;
        const to = at(y) + v * ld;
        const turned = Array.from(f32.subarray(from, from + ld));
        for (let h = 0; h < heads; h++) {
          for (let j = 0; j < depth / 2; j++) {
            const [a, b] = [turned[h * depth + j]!, turned[h * depth + j + depth / 2]!];
            const [cos, sin] = [f32[angles + j]!, sign * f32[angles + depth / 2 + j]!];
            turned[h * depth + j] = a * cos - b * sin;
            turned[h * depth + j + depth / 2] = b * cos + a * sin;
          }
        }
        f32.set(turned, to);
      }
    },
  };
}
