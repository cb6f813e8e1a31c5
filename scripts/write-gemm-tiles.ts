/**
 * Writes the AssemblyScript of the tiles of C in registers, the innermost loops of every product. A sum must be a local variable, and
 * AssemblyScript has neither arrays of them nor closures: 24 sums by some k in two ways to read A are a thousand lines alike.
 *
 * A tile has 6 × 16 sums: 24 vectors, that is 12 registers of 256 bits when revectorised. Two more hold a row of B and one an element of A: all 15
 * that the compiler has to give. Where each row of A has an address of its own there are 5: a sixth finds no register, and (768, 512, 128) takes a
 * quarter more time.
 *
 * What it costs beside its multiplications and loads matters where a core's other half is busy with somebody else's work, which takes
 * every other cycle's instructions:
 * - Eight k in a go, as a loop's end costs five instructions.
 * - The first k stands in front of the loop: places of elements of A that differ by a constant are made there once, instead of each time.
 * - A way out after each k takes the place of a loop for what is left over, and keeps the k in their order: without it the compiler writes a
 *   sum's fma one behind the other, runs out of registers, and the tile takes twice the time.
 *
 * That is two instructions a k beside them, where four k in a go, all within the loop, took four to six. On such a core (128, 784, 512) with B
 * transposed ran at 60 GFLOP/s instead of 54, (256, 1024, 1024) at 62 instead of 58 and (40, 16, 256) at 72 instead of 66, in turns, by tiles of five
 * rows; with six in place of five (256, 4096, 4096) runs 3 to 5 % faster there.
 */

/** vectors of four columns */
const VECTORS = 4;
const UNROLLED = 8;

const vectors = Array.from({ length: VECTORS }, (_, vector) => vector);

interface Operand {
  /** rows of a tile */
  rows: readonly number[];
  /** parameters of the tile */
  parameters: string;
  /** An element of A at `row` and so many k behind where the loop stands. */
  element(row: number, k: number): string;
  /** what stands in front of the work of that k */
  before(k: number): string[];
  /** on to the k that many further */
  advance(k: number): string;
}

const five = [0, 1, 2, 3, 4];

/** Rows of A at a0…a4, contiguous along k. */
const byRows: Operand = {
  rows: five,
  parameters: five.map((row) => `a${row}: usize`).join(', '),
  element: (row, k) => `a${row} + p, ${4 * k}`,
  before: () => [],
  advance: (k) => `p += ${4 * k};`,
};

/** Rows of A in consecutive places, `stride` bytes from one k to the next: a transposed A, or a packed one. */
const byColumns: Operand = {
  rows: [...five, 5],
  parameters: 'a: usize, stride: usize',
  element: (row, k) => `at${k}, ${4 * row}`,
  before: (k) => [k === 0 ? 'const at0 = a;' : `const at${k} = at${k - 1} + stride;`],
  advance: (k) => `a = at${k - 1} + stride;`,
};

/** Adds to all sums what one k brings: `k` rows of a panel of B behind where b points. */
function multiply(a: Operand, k: number): string[] {
  return [
    ...a.before(k),
    ...vectors.map((vector) => `const b${k}${vector} = v128.load(b, ${64 * k + 16 * vector});`),
    ...a.rows.flatMap((row) => [
      `const x${k}${row} = v128.load_splat<f32>(${a.element(row, k)});`,
      ...vectors.map((vector) => `s${row}${vector} = fma(x${k}${row}, b${k}${vector}, s${row}${vector});`),
    ]),
  ];
}

/** C (+)= A·B for a tile's rows of A and a packed panel of B (k, 16). */
function writeTile(name: string, a: Operand): string {
  const ks = Array.from({ length: UNROLLED }, (_, k) => k);
  const sums = a.rows.flatMap((row) => vectors.map((vector) => `let s${row}${vector} = f32x4.splat(0);`));
  return `
export function ${name}(k: u32, ${a.parameters}, b: usize, c: usize, pitch: usize, accumulate: u32): void {
  let p: usize = 0;
  ${sums.join('\n  ')}
  if (k > 0) {
    { ${multiply(a, 0).join('\n      ')}
      ${a.advance(1)}
    }
    b += 64;
    for (k -= 1; k > 0; k--) {
      ${ks.map((k) => multiply(a, k).join('\n      ')).join('\n      if (--k == 0) break;\n      ')}
      ${a.advance(UNROLLED)}
      b += ${64 * UNROLLED};
    }
  }
  ${a.rows.map((row) => `putRow(c, ${vectors.map((vector) => `s${row}${vector}`).join(', ')}, accumulate);`).join('\n  c += pitch;\n  ')}
}
`;
}

/** 16 sums to a row of C, or added to it. */
const PUT_ROW = `
// @ts-ignore: decorator
@inline
function putRow(c: usize, s0: v128, s1: v128, s2: v128, s3: v128, accumulate: u32): void {
  if (accumulate) {
    const c0 = v128.load(c);
    const c1 = v128.load(c, 16);
    const c2 = v128.load(c, 32);
    const c3 = v128.load(c, 48);
    v128.store(c, f32x4.add(c0, s0));
    v128.store(c, f32x4.add(c1, s1), 16);
    v128.store(c, f32x4.add(c2, s2), 32);
    v128.store(c, f32x4.add(c3, s3), 48);
  } else {
    v128.store(c, s0);
    v128.store(c, s1, 16);
    v128.store(c, s2, 32);
    v128.store(c, s3, 48);
  }
}
`;

/** The module \`./gemm-tiles\` that gemm.ts imports. */
export function writeGemmTiles(): string {
  return `import { fma } from './lanes';\n${PUT_ROW}${writeTile('tileRows', byRows)}${writeTile('tileColumns', byColumns)}`;
}
