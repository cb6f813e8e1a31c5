import { philox, type Seed, STREAM } from '../engine/random.ts';
import type { Augmentation } from '../spec/augmentation.ts';

/**
 * Changes images. Every draw follows from (seed, epoch, row), so that any number of threads, and a run taken up in the middle of an epoch, sees the same
 * bits. It allocates nothing: images are places in arrays that are there.
 */
export class ImageAugmenter {
  readonly #augmentation: Augmentation;
  readonly #height: number;
  readonly #width: number;
  readonly #channels: number;
  readonly #seed: Seed;
  readonly #words = new Uint32Array(4);
  readonly #draws = new Uint32Array(12);
  readonly #levels = new Uint8Array(256);

  constructor(augmentation: Augmentation, [height, width, channels]: readonly [number, number, number], seed: Seed) {
    this.#augmentation = augmentation;
    this.#height = height;
    this.#width = width;
    this.#channels = channels;
    this.#seed = seed;
  }

  /** Writes the image of bytes at `at` (height, width, channels) of a row of the dataset into the whole of `to`. */
  apply(from: Uint8Array, at: number, to: Uint8Array, row: number, epoch: number): void {
    const { flip, shift, crop, rotate, brightness, contrast, saturation, cutout } = this.#augmentation;
    const draws = this.#draws;
    for (let i = 0; i < 3; i++) {
      philox(this.#words, row, STREAM.augment, epoch, i, this.#seed);
      draws.set(this.#words, 4 * i);
    }
    const mirrorX = (flip === 'horizontal' || flip === 'both') && (draws[0]! & 1) === 1 ? -1 : 1;
    const mirrorY = (flip === 'vertical' || flip === 'both') && (draws[0]! & 2) === 2 ? -1 : 1;
    const movedX = drawWhole(draws[1]!, shift);
    const movedY = drawWhole(draws[2]!, shift);
    if (rotate === 0 && crop === 0) this.#copy(from, at, to, mirrorX, mirrorY, movedX, movedY);
    else {
      const angle = (drawSigned(draws[3]!) * rotate * Math.PI) / 180;
      const kept = 1 - crop * drawShare(draws[8]!);
      // what is left lies anywhere within the image
      const offX = ((1 - kept) / 2) * (this.#width - 1) * drawSigned(draws[9]!);
      const offY = ((1 - kept) / 2) * (this.#height - 1) * drawSigned(draws[10]!);
      this.#warp(from, at, to, mirrorX, mirrorY, movedX + offX, movedY + offY, angle, kept);
    }
    if (brightness > 0 || contrast > 0)
      this.#recolour(to, brightness * drawSigned(draws[4]!), 1 + contrast * drawSigned(draws[5]!));
    if (saturation > 0 && this.#channels === 3) this.#saturate(to, 1 + saturation * drawSigned(draws[11]!));
    if (cutout > 0) this.#cut(to, cutout, draws[6]!, draws[7]!);
  }

  #copy(
    from: Uint8Array,
    at: number,
    to: Uint8Array,
    mirrorX: number,
    mirrorY: number,
    movedX: number,
    movedY: number,
  ): void {
    const height = this.#height;
    const width = this.#width;
    const channels = this.#channels;
    for (let y = 0, i = 0; y < height; y++) {
      const sourceY = (mirrorY < 0 ? height - 1 - y : y) + movedY;
      for (let x = 0; x < width; x++) {
        const sourceX = (mirrorX < 0 ? width - 1 - x : x) + movedX;
        const isInside = sourceX >= 0 && sourceX < width && sourceY >= 0 && sourceY < height;
        const source = at + (sourceY * width + sourceX) * channels;
        for (let c = 0; c < channels; c++) to[i++] = isInside ? from[source + c]! : 0;
      }
    }
  }

  /** Each pixel is looked for where it came from; between pixels bilinear, and zeros outside. */
  #warp(
    from: Uint8Array,
    at: number,
    to: Uint8Array,
    mirrorX: number,
    mirrorY: number,
    movedX: number,
    movedY: number,
    angle: number,
    kept: number,
  ): void {
    const height = this.#height;
    const width = this.#width;
    const channels = this.#channels;
    const middleX = (width - 1) / 2;
    const middleY = (height - 1) / 2;
    const cos = Math.cos(angle) * kept;
    const sin = Math.sin(angle) * kept;
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const dx = mirrorX * (x - middleX);
        const dy = mirrorY * (y - middleY);
        const sourceX = cos * dx - sin * dy + middleX + movedX;
        const sourceY = sin * dx + cos * dy + middleY + movedY;
        const left = Math.floor(sourceX);
        const top = Math.floor(sourceY);
        const right = sourceX - left;
        const down = sourceY - top;
        const hasLeft = left >= 0 && left < width;
        const hasRight = left >= -1 && left < width - 1;
        const hasTop = top >= 0 && top < height;
        const hasDown = top >= -1 && top < height - 1;
        const corner = at + (top * width + left) * channels;
        const below = corner + width * channels;
        for (let c = 0; c < channels; c++) {
          const a = hasTop && hasLeft ? from[corner + c]! : 0;
          const b = hasTop && hasRight ? from[corner + channels + c]! : 0;
          const d = hasDown && hasLeft ? from[below + c]! : 0;
          const e = hasDown && hasRight ? from[below + channels + c]! : 0;
          const upper = a * (1 - right) + b * right;
          const lower = d * (1 - right) + e * right;
          to[i++] = Math.round(upper * (1 - down) + lower * down);
        }
      }
    }
  }

  #recolour(to: Uint8Array, added: number, factor: number): void {
    const levels = this.#levels;
    for (let level = 0; level < 256; level++) levels[level] = clampByte((level - 127.5) * factor + 127.5 + 255 * added);
    for (let i = 0; i < to.length; i++) to[i] = levels[to[i]!]!;
  }

  /** Grey as ITU-R BT.601 weighs the colours. */
  #saturate(to: Uint8Array, factor: number): void {
    for (let i = 0; i < to.length; i += 3) {
      const grey = 0.299 * to[i]! + 0.587 * to[i + 1]! + 0.114 * to[i + 2]!;
      for (let c = 0; c < 3; c++) to[i + c] = clampByte(grey + (to[i + c]! - grey) * factor);
    }
  }

  /** The square’s middle is any pixel, so that it may hang over an edge. */
  #cut(to: Uint8Array, side: number, wordX: number, wordY: number): void {
    const width = this.#width;
    const channels = this.#channels;
    const left = Math.floor((wordX * width) / 2 ** 32) - (side >> 1);
    const top = Math.floor((wordY * this.#height) / 2 ** 32) - (side >> 1);
    const from = Math.max(0, left);
    const end = Math.min(width, left + side);
    for (let y = Math.max(0, top); y < Math.min(this.#height, top + side); y++)
      to.fill(0, (y * width + from) * channels, (y * width + end) * channels);
  }
}

function clampByte(value: number): number {
  return Math.round(Math.min(255, Math.max(0, value)));
}

/** −most … most */
function drawWhole(word: number, most: number): number {
  return Math.floor((word * (2 * most + 1)) / 2 ** 32) - most;
}

/** −1 … 1 */
function drawSigned(word: number): number {
  return word / 2 ** 31 - 1;
}

/** 0 … 1 */
function drawShare(word: number): number {
  return word / 2 ** 32;
}

/** Which row another is mixed with, and by how much; (seed, epoch, row) decide. */
export class Mixer {
  readonly #alpha: number;
  readonly #partners: Uint32Array;
  readonly #seed: Seed;
  readonly #words = new Uint32Array(4);
  /** of the last draw: the other row, the share of the row itself, and whether its own class is learnt */
  partner = 0;
  share = 1;
  keepsClass = true;

  constructor(alpha: number, partners: Uint32Array, seed: Seed) {
    this.#alpha = alpha;
    this.#partners = partners;
    this.#seed = seed;
  }

  draw(row: number, epoch: number): void {
    const words = this.#words;
    philox(words, row, STREAM.mix, epoch, 0, this.#seed);
    this.partner = this.#partners[Math.floor((words[0]! * this.#partners.length) / 2 ** 32)]!;
    const kept = drawShare(words[1]!);
    // Jöhnk 1964: of two powers that add up to 1 at most, the first's share
    for (let i = 1; ; i++) {
      philox(words, row, STREAM.mix, epoch, i, this.#seed);
      for (let pair = 0; pair < 4; pair += 2) {
        const u = ((words[pair]! + 0.5) / 2 ** 32) ** (1 / this.#alpha);
        const v = ((words[pair + 1]! + 0.5) / 2 ** 32) ** (1 / this.#alpha);
        if (u + v > 1 || u + v === 0) continue;
        this.share = u / (u + v);
        this.keepsClass = kept < this.share;
        return;
      }
    }
  }
}
