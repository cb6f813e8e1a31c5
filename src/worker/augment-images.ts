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
  /** numbers of one image: passed from function to function they would be boxed */
  readonly #numbers = new Float64Array(4);

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
      for (let k = 0; k < 4; k++) draws[4 * i + k] = this.#words[k]!;
    }
    const mirrorX = (flip === 'horizontal' || flip === 'both') && (draws[0]! & 1) === 1 ? -1 : 1;
    const mirrorY = (flip === 'vertical' || flip === 'both') && (draws[0]! & 2) === 2 ? -1 : 1;
    const movedX = drawWhole(draws[1]!, shift);
    const movedY = drawWhole(draws[2]!, shift);
    if (rotate === 0 && crop === 0) this.#copy(from, at, to, mirrorX, mirrorY, movedX, movedY);
    else {
      const numbers = this.#numbers;
      const kept = 1 - (crop * draws[8]!) / 2 ** 32;
      const angle = ((draws[3]! / 2 ** 31 - 1) * rotate * Math.PI) / 180;
      numbers[Warp.cos] = Math.cos(angle) * kept;
      numbers[Warp.sin] = Math.sin(angle) * kept;
      // what is left lies anywhere within the image
      numbers[Warp.x] = movedX + ((1 - kept) / 2) * (this.#width - 1) * (draws[9]! / 2 ** 31 - 1);
      numbers[Warp.y] = movedY + ((1 - kept) / 2) * (this.#height - 1) * (draws[10]! / 2 ** 31 - 1);
      this.#warp(from, at, to, mirrorX, mirrorY);
    }
    if (brightness > 0 || contrast > 0) this.#recolour(to);
    if (saturation > 0 && this.#channels === 3) this.#saturate(to);
    if (cutout > 0) this.#cut(to, cutout);
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
  #warp(from: Uint8Array, at: number, to: Uint8Array, mirrorX: number, mirrorY: number): void {
    const height = this.#height;
    const width = this.#width;
    const channels = this.#channels;
    const middleX = (width - 1) / 2;
    const middleY = (height - 1) / 2;
    const cos = this.#numbers[Warp.cos]!;
    const sin = this.#numbers[Warp.sin]!;
    const movedX = this.#numbers[Warp.x]!;
    const movedY = this.#numbers[Warp.y]!;
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

  #recolour(to: Uint8Array): void {
    const levels = this.#levels;
    const added = this.#augmentation.brightness * (this.#draws[4]! / 2 ** 31 - 1);
    const factor = 1 + this.#augmentation.contrast * (this.#draws[5]! / 2 ** 31 - 1);
    for (let level = 0; level < 256; level++) levels[level] = clampByte((level - 127.5) * factor + 127.5 + 255 * added);
    for (let i = 0; i < to.length; i++) to[i] = levels[to[i]!]!;
  }

  /** Grey as ITU-R BT.601 weighs the colours. */
  #saturate(to: Uint8Array): void {
    const factor = 1 + this.#augmentation.saturation * (this.#draws[11]! / 2 ** 31 - 1);
    for (let i = 0; i < to.length; i += 3) {
      const grey = 0.299 * to[i]! + 0.587 * to[i + 1]! + 0.114 * to[i + 2]!;
      for (let c = 0; c < 3; c++) to[i + c] = clampByte(grey + (to[i + c]! - grey) * factor);
    }
  }

  /** The square’s middle is any pixel, so that it may hang over an edge. */
  #cut(to: Uint8Array, side: number): void {
    const width = this.#width;
    const channels = this.#channels;
    const left = Math.floor((this.#draws[6]! * width) / 2 ** 32) - (side >> 1);
    const top = Math.floor((this.#draws[7]! * this.#height) / 2 ** 32) - (side >> 1);
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

/** Places in `#numbers`: the turn, shrunk, and how far an image is moved. */
const Warp = { cos: 0, sin: 1, x: 2, y: 3 } as const;

/** Which row another is mixed with, and by how much; (seed, epoch, row) decide. */
export class Mixer {
  readonly #alpha: number;
  readonly #partners: Uint32Array;
  readonly #seed: Seed;
  readonly #words = new Uint32Array(4);
  /** of the last draw: the other row, the share of the row itself, and whether its own class is learnt */
  partner = 0;
  keepsClass = true;
  readonly #share = new Float64Array(1);

  constructor(alpha: number, partners: Uint32Array, seed: Seed) {
    this.#alpha = alpha;
    this.#partners = partners;
    this.#seed = seed;
  }

  get share(): number {
    return this.#share[0]!;
  }

  draw(row: number, epoch: number): void {
    const words = this.#words;
    philox(words, row, STREAM.mix, epoch, 0, this.#seed);
    this.partner = this.#partners[Math.floor((words[0]! * this.#partners.length) / 2 ** 32)]!;
    const kept = words[1]! / 2 ** 32;
    // Jöhnk 1964: of two powers that add up to 1 at most, the first's share
    for (let i = 1; ; i++) {
      philox(words, row, STREAM.mix, epoch, i, this.#seed);
      for (let pair = 0; pair < 4; pair += 2) {
        const u = ((words[pair]! + 0.5) / 2 ** 32) ** (1 / this.#alpha);
        const v = ((words[pair + 1]! + 0.5) / 2 ** 32) ** (1 / this.#alpha);
        if (u + v > 1 || u + v === 0) continue;
        this.#share[0] = u / (u + v);
        this.keepsClass = kept < this.#share[0];
        return;
      }
    }
  }
}
