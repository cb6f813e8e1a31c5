import { describe, expect, it } from 'vitest';
import { seedOf } from '../../src/engine/random.ts';
import type { Augmentation } from '../../src/spec/augmentation.ts';
import { ImageAugmenter, Mixer } from '../../src/worker/augment-images.ts';

const nothing: Augmentation = {
  ...{ flip: 'none', shift: 0, crop: 0, rotate: 0, brightness: 0, contrast: 0, saturation: 0, cutout: 0, mixup: null },
};
const shape = [6, 5, 3] as const;
/** no two bytes alike */
const image = Uint8Array.from({ length: 90 }, (_, i) => 100 + i);

function augment(change: Partial<Augmentation>, { row = 0, epoch = 0, seed = 7, from = image } = {}): Uint8Array {
  const to = new Uint8Array(from.length).fill(9);
  new ImageAugmenter({ ...nothing, ...change }, shape, seedOf(seed)).apply(from, 0, to, row, epoch);
  return to;
}
/** pixel (y, x) of the result is pixel `at(y, x)` of the image, or zeros outside */
const moved = (at: (y: number, x: number) => [number, number]) =>
  Uint8Array.from({ length: 90 }, (_, i) => {
    const [y, x] = at(Math.floor(i / 15), Math.floor(i / 3) % 5);
    return y < 0 || y >= 6 || x < 0 || x >= 5 ? 0 : image[(y * 5 + x) * 3 + (i % 3)]!;
  });
const manyRows = (change: Partial<Augmentation>) =>
  new Set(Array.from({ length: 200 }, (_, row) => augment(change, { row }).join()));
const listed = (images: Uint8Array[]) => new Set(images.map((one) => one.join()));

describe('augmented images', () => {
  it('are as they were where nothing is asked for', () => {
    expect(augment({})).toEqual(image);
    expect(augment({ rotate: 1e-9 })).toEqual(image);
  });

  it('are mirrored or not, in the directions that were asked for', () => {
    const across = moved((y, x) => [y, 4 - x]);
    const down = moved((y, x) => [5 - y, x]);
    expect(manyRows({ flip: 'horizontal' })).toEqual(listed([image, across]));
    expect(manyRows({ flip: 'vertical' })).toEqual(listed([image, down]));
    expect(manyRows({ flip: 'both' })).toEqual(listed([image, across, down, moved((y, x) => [5 - y, 4 - x])]));
  });

  it('are moved by every whole number of pixels up to the given one, and padded with zeros', () => {
    const all = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => moved((y, x) => [y + dy, x + dx])));
    expect(manyRows({ shift: 1 })).toEqual(listed(all));
  });

  it('are turned about their middle, to both sides', () => {
    const cross = Uint8Array.from({ length: 90 }, (_, i) => (Math.floor(i / 3) % 5 === 2 ? 200 : 0));
    const sums = Array.from({ length: 50 }, (_, row) => augment({ rotate: 30 }, { row, from: cross }));
    // the middle keeps its colour; what was a line has spread
    for (const turned of sums) expect(turned[(2 * 5 + 2) * 3]!).toBeGreaterThan(120);
    expect(new Set(sums.map((one) => one.join())).size).toBeGreaterThan(45);
  });

  it('keep within the range of bytes as they are made brighter and harder', () => {
    const from = Uint8Array.from({ length: 90 }, (_, i) => (i % 2) * 255);
    for (let row = 0; row < 50; row++) {
      const levels = new Set(augment({ brightness: 0.5, contrast: 1 }, { row, from }));
      expect(levels.size).toBeLessThanOrEqual(2);
    }
    const means = Array.from({ length: 50 }, (_, row) => augment({ brightness: 0.2 }, { row })[0]! - image[0]!);
    expect(Math.min(...means)).toBeLessThan(-20);
    expect(Math.max(...means)).toBeGreaterThan(20);
    expect(Math.max(...means.map(Math.abs))).toBeLessThanOrEqual(51);
  });

  it('lose up to the given share of each side, and are stretched again', () => {
    // a ramp stays one, and becomes no steeper than it was
    const ramp = Uint8Array.from({ length: 90 }, (_, i) => 10 + 40 * (Math.floor(i / 3) % 5));
    const steps = Array.from({ length: 60 }, (_, row) => {
      const cropped = augment({ crop: 0.5 }, { row, from: ramp });
      return (cropped[4 * 3]! - cropped[0]!) / 4;
    });
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(19);
    expect(Math.max(...steps)).toBeLessThanOrEqual(40);
    expect(Math.max(...steps) - Math.min(...steps)).toBeGreaterThan(15);
  });

  it('become greyer or more colourful, as bright as before', () => {
    const from = Uint8Array.from({ length: 90 }, (_, i) => [200, 100, 50][i % 3]!);
    const grey = (pixels: Uint8Array) => 0.299 * pixels[0]! + 0.587 * pixels[1]! + 0.114 * pixels[2]!;
    const all = Array.from({ length: 40 }, (_, row) => augment({ saturation: 0.4 }, { row, from }));
    for (const one of all) expect(Math.abs(grey(one) - grey(from))).toBeLessThan(1);
    expect(new Set(all.map((one) => one[0]! - one[2]!)).size).toBeGreaterThan(20);
  });

  it('lose one square at most', () => {
    const lost = Array.from(
      { length: 100 },
      (_, row) => augment({ cutout: 2 }, { row }).filter((v) => v === 0).length / 3,
    );
    expect(new Set(lost)).toEqual(new Set([1, 2, 4]));
  });

  it('follow from seed, epoch and row alone', () => {
    const all: Partial<Augmentation> = {
      flip: 'both',
      shift: 2,
      rotate: 20,
      brightness: 0.3,
      contrast: 0.3,
      cutout: 2,
    };
    const one = augment(all, { row: 3, epoch: 2 });
    expect(augment(all, { row: 3, epoch: 2 })).toEqual(one);
    for (const other of [
      { row: 4, epoch: 2 },
      { row: 3, epoch: 3 },
      { row: 3, epoch: 2, seed: 8 },
    ])
      expect(augment(all, other)).not.toEqual(one);
  });
});

describe('mixing', () => {
  it('draws partners evenly, and shares as Beta(α, α) has them', () => {
    const mixer = new Mixer(0.4, Uint32Array.of(3, 5, 8, 13), seedOf(1));
    const draws = Array.from({ length: 4000 }, (_, row) => {
      mixer.draw(row, 2);
      return { share: mixer.share, partner: mixer.partner, keeps: mixer.keepsClass };
    });
    const mean = draws.reduce((sum, { share }) => sum + share, 0) / 4000;
    const variance = draws.reduce((sum, { share }) => sum + (share - mean) ** 2, 0) / 4000;
    expect(mean).toBeCloseTo(0.5, 1);
    // 1 / (4 (2α + 1))
    expect(variance).toBeCloseTo(1 / 7.2, 1.5);
    // a class is kept as often as its share says
    expect(draws.filter(({ keeps }) => keeps).length / 4000).toBeCloseTo(mean, 1);
    for (const place of [3, 5, 8, 13])
      expect(draws.filter(({ partner }) => partner === place).length).toBeGreaterThan(900);
    mixer.draw(7, 2);
    expect(mixer.share).toBe(draws[7]!.share);
  });
});
