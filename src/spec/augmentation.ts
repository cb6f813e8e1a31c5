import { type Static, Type } from 'typebox';
import { closed, nullable, words } from './schema.ts';

const share = (description: string) => Type.Number({ minimum: 0, maximum: 1, default: 0, description });
const pixels = (description: string) => Type.Integer({ minimum: 0, maximum: 512, default: 0, description });

/** How images are changed anew in each epoch of training. */
export const Augmentation = closed(
  {
    flip: words(['none', 'horizontal', 'vertical', 'both'], {
      default: 'none',
      description: 'in which directions an image is mirrored, each time with probability ½',
    }),
    shift: pixels('an image is moved by up to so many pixels each way: padded by as many zeros and cropped at random'),
    crop: Type.Number({
      minimum: 0,
      maximum: 0.9,
      default: 0,
      description:
        'share of each side that is cut away at most, anywhere; what is left is stretched to the whole image',
    }),
    rotate: Type.Number({
      minimum: 0,
      maximum: 180,
      default: 0,
      description:
        'degrees by which an image is turned about its middle at most, to both sides; between pixels bilinear',
    }),
    brightness: share('share of the range of bytes that is added or taken away at most'),
    contrast: share('differences from the middle of the range are multiplied by 1 − contrast to 1 + contrast'),
    saturation: share(
      'of three channels: differences from a pixel’s grey are multiplied by 1 − saturation to 1 + saturation',
    ),
    cutout: pixels('a square of such a side, wherever it falls, becomes zeros (DeVries & Taylor 2017)'),
    mixup: nullable(Type.Number({ exclusiveMinimum: 0, maximum: 1 }), {
      default: null,
      description:
        'α: λ is drawn from Beta(α, α), and a row becomes λ of itself and 1 − λ of another training row (Zhang et al. 2018). Numbers of the target are mixed as well; of a category its own class is learnt with probability λ, else the other’s, which comes to the same loss in the mean. Only for an image that is the only input. null: none',
    }),
  },
  {
    title: 'Augmentation',
    description:
      'Of an image: training rows are changed anew in each epoch, which follows from training.seed, the epoch and the row alone; held-out rows and predictions stay as they are.',
  },
);
export type Augmentation = Static<typeof Augmentation>;
