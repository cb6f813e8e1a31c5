import type { PreparedText } from '../data/next-tokens.ts';
import type { GeneratedPiece, GenerateRequest } from '../spec/prediction.ts';
import { Generation } from './generate-text.ts';
import type { WarmNetworks } from './warm-networks.ts';

interface Growing {
  generation: Generation;
  request: GenerateRequest;
  /** told later, in one piece */
  held: GeneratedPiece;
  toldMs: number;
}

/** Of a text that is wanted whole, something is told so often, as a sign of life. */
const TELL_EVERY_MS = 1000;

/**
 * Texts that go on at the same time: by one network, a token of each in one pass. Where there are more than the network has places for, the others wait until
 * one has come to its end, or to that of its window.
 */
export class GrowingTexts {
  readonly #networks: WarmNetworks;
  readonly #tell: (id: number, piece: GeneratedPiece) => void;
  readonly #fail: (id: number, error: unknown) => void;
  /** whose network is being loaded */
  readonly #beginning = new Set<number>();
  /** whose turn is next, first */
  readonly #texts = new Map<number, Growing>();

  constructor(
    networks: WarmNetworks,
    tell: (id: number, piece: GeneratedPiece) => void,
    fail: (id: number, error: unknown) => void,
  ) {
    this.#networks = networks;
    this.#tell = tell;
    this.#fail = fail;
  }

  get count(): number {
    return this.#texts.size;
  }

  /** One that is dropped meanwhile never begins. */
  async begin(id: number, request: GenerateRequest): Promise<void> {
    this.#beginning.add(id);
    try {
      const { preparation } = await this.#networks.findContinuing(request.network);
      if (!this.#beginning.has(id)) return;
      const generation = new Generation(request, preparation.inputs[0] as PreparedText);
      const held = { text: '', tokens: 0, finish: null };
      this.#texts.set(id, { generation, request, held, toldMs: performance.now() });
    } catch (error) {
      this.#fail(id, error);
    } finally {
      this.#beginning.delete(id);
    }
  }

  /** Nobody listens any more. */
  drop(id: number): void {
    this.#beginning.delete(id);
    this.#texts.get(id)?.generation.leave();
    this.#texts.delete(id);
  }

  /** One more pass over every text that goes on by the same network as the first. */
  async grow(): Promise<void> {
    const { network } = this.#texts.values().next().value!.request;
    const listTogether = () =>
      [...this.#texts].filter(([, { request }]) => request.network.storageKey === network.storageKey);
    try {
      const { predictor } = await this.#networks.findContinuing(network);
      // what was dropped while the network was loaded is not there any more
      const together = listTogether();
      const growing = together.filter(([, { generation }]) => generation.enter(predictor));
      const waiting = together.filter((one) => !growing.includes(one));
      // texts of other networks have their turn next, and those that wait the next place
      for (const [id, one] of [...waiting, ...growing]) {
        this.#texts.delete(id);
        this.#texts.set(id, one);
      }
      const passed = predictor.advance(growing.map(([, { generation }]) => generation.open));
      growing.forEach(([id, one], i) => {
        const piece = one.generation.take(passed[i]!);
        if (piece !== null) this.#add(id, one, piece);
      });
    } catch (error) {
      for (const [id] of listTogether()) {
        this.drop(id);
        this.#fail(id, error);
      }
    }
  }

  #add(id: number, one: Growing, { text, tokens, finish }: GeneratedPiece): void {
    one.held = { text: one.held.text + text, tokens: one.held.tokens + tokens, finish };
    const now = performance.now();
    if (finish === null && !one.request.inPieces && now - one.toldMs < TELL_EVERY_MS) return;
    this.#tell(id, one.held);
    one.held = { text: '', tokens: 0, finish: null };
    one.toldMs = now;
    if (finish !== null) this.drop(id);
  }
}
