import type { Pointer } from './pointer.ts';

/** Attention. */
export interface AttentionKernels {
  /**
   * y (rows, querySteps, heads·depth) = softmax(q·kᵀ/√depth)·v for each head (Vaswani et al. 2017). q (rows, querySteps, …), vectors `ldq` apart; k and v
   * (rows, keySteps, …), `ldk` apart; `keyHeads` heads of keys and values are shared by heads/keyHeads heads each. causal: query i sees keys
   * 0 … i + keySteps − querySteps. mask (rows, keySteps): 0 at keys that count for nothing; a query that sees no key gives zeros.
   */
  attention(
    causal: number,
    rows: number,
    querySteps: number,
    keySteps: number,
    heads: number,
    keyHeads: number,
    depth: number,
    q: Pointer,
    ldq: number,
    k: Pointer,
    v: Pointer,
    ldk: number,
    mask: Pointer,
    y: Pointer,
    scratch: Pointer,
  ): void;
  /**
   * Causal attention of texts that go on by `steps` steps each. x (rows, steps, (heads + 2·keyHeads)·depth) is [q | k | v]. Row r's keys and values are first
   * put into cache (slots, context, 2·keyHeads·depth) at slot slots[r], from place positions[r, 0] on; then its queries see all from place 0 to their own. A
   * mask (rows, steps) goes into kept (slots, context) in the same way; 0 and 0: none. slots (rows) and positions (rows, steps) are floats, and every place
   * must lie within the cache. Else as `attention`, to the same bits.
   */
  cachedAttention(
    rows: number,
    steps: number,
    heads: number,
    keyHeads: number,
    depth: number,
    x: Pointer,
    slots: Pointer,
    positions: Pointer,
    cache: Pointer,
    context: number,
    mask: Pointer,
    kept: Pointer,
    y: Pointer,
    scratch: Pointer,
  ): void;
  /** dq, dk and dv, laid out as q, k and v are; from one row to the next rowBytesOfDq and rowBytesOfDk bytes */
  attentionGrad(
    causal: number,
    rows: number,
    querySteps: number,
    keySteps: number,
    heads: number,
    keyHeads: number,
    depth: number,
    dy: Pointer,
    q: Pointer,
    ldq: number,
    k: Pointer,
    v: Pointer,
    ldk: number,
    mask: Pointer,
    dq: Pointer,
    dk: Pointer,
    dv: Pointer,
    rowBytesOfDq: number,
    rowBytesOfDk: number,
    scratch: Pointer,
  ): void;
  /**
   * How y (rows, querySteps, heads·depth) moves where q, k and v move by gq, gk and gv, laid out as they are; from one row to the next rowBytesOfGq and
   * rowBytesOfGk bytes. The transpose of `attentionGrad`.
   */
  attentionTangent(
    causal: number,
    rows: number,
    querySteps: number,
    keySteps: number,
    heads: number,
    keyHeads: number,
    depth: number,
    gq: Pointer,
    gk: Pointer,
    gv: Pointer,
    rowBytesOfGq: number,
    rowBytesOfGk: number,
    q: Pointer,
    ldq: number,
    k: Pointer,
    v: Pointer,
    ldk: number,
    mask: Pointer,
    y: Pointer,
    scratch: Pointer,
  ): void;
  /**
   * Rotary positions (Su et al. 2021): the first `heads` heads of each vector of `ld` are turned, the pair (j, j + depth/2) at step t by the angle whose
   * cosine and sine are table[t, j] and table[t, j + depth/2]; sign −1 turns back. What follows is copied.
   */
  rotary(
    x: Pointer,
    table: Pointer,
    y: Pointer,
    rows: number,
    steps: number,
    heads: number,
    depth: number,
    ld: number,
    sign: number,
  ): void;
}
