import { describe, expect, it } from 'vitest';
import { didYouMean, listWords, suggest } from '../../src/spec/suggest.ts';

describe('suggest', () => {
  it.each([
    ['rellu', ['relu', 'gelu'], 'relu'],
    ['RELU', ['relu'], 'relu'],
    ['cross-entropy', ['mse', 'cross_entropy'], 'cross_entropy'],
    ['crossentropy', ['cross_entropy'], 'cross_entropy'],
    ['elephant', ['relu', 'gelu'], null],
    ['y', ['x'], null],
    ['', ['x'], null],
    ['длинна', ['длина', 'масса'], 'длина'],
    ['rleu', ['elu', 'relu'], 'relu'],
    ['lr', ['type', 'learning_rate'], 'learning_rate'],
    ['kernel', ['filters', 'kernel_size'], 'kernel_size'],
    ['accuracy', ['validation.loss', 'validation.accuracy'], 'validation.accuracy'],
    ['e', ['e_f'], null],
    ['***', ['???'], null],
    ['a', [], null],
    ['x'.repeat(100_000), ['x'], null],
  ])('%s among %j: %s', (word, words, near) => expect(suggest(word, words)).toBe(near));

  it('in words', () => {
    expect(didYouMean('rellu', ['relu'])).toBe(' Did you mean "relu"?');
    expect(didYouMean('elephant', ['relu'])).toBe('');
    expect(listWords(['a', 1, null], 2)).toBe('a, 1, … (3 in all)');
  });
});
