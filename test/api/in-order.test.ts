import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { inOrderOf } from '../../src/api/in-order.ts';
import { nullable, variants } from '../../src/spec/schema.ts';

const Shape = Type.Object({
  name: Type.String(),
  layer: variants([
    Type.Object({ type: Type.Literal('dense'), units: Type.Integer(), bias: Type.Boolean() }),
    Type.Object({ type: Type.Literal('dropout'), rate: Type.Number() }),
  ]),
  parts: nullable(Type.Array(Type.Object({ b: Type.Integer(), a: Type.Integer() }))),
  metrics: Type.Record(Type.String(), Type.Number()),
  data: Type.Record(Type.String(), Type.Unknown()),
});
const arrange = inOrderOf(Shape);
const asText = (value: unknown) => JSON.stringify(arrange(value));

describe('answers in the order of their schema', () => {
  it('fields, at any depth; names by letters; what has no schema as it is', () => {
    const text = asText({
      data: { z: 1, a: 2 },
      layer: { bias: true, type: 'dense', units: 3 },
      metrics: { 'test.loss': 1, 'best.epoch': 2 },
      name: 'n',
      parts: [{ a: 1, b: 2 }],
    });
    expect(text).toBe(
      '{"name":"n","layer":{"type":"dense","units":3,"bias":true},"parts":[{"b":2,"a":1}],"metrics":{"best.epoch":2,"test.loss":1},"data":{"z":1,"a":2}}',
    );
  });

  it('nothing is lost or added, whatever the schema says', () => {
    const text = '{"layer":{"rate":1,"type":"other"},"more":[1],"parts":null,"__proto__":{"x":1}}';
    const arranged = arrange(JSON.parse(text));
    expect(arranged).toEqual(JSON.parse(text));
    expect(Object.keys(arranged as object)).toEqual(['layer', 'parts', 'more', '__proto__']);
    for (const value of [null, 3, 'x', [], {}]) expect(arrange(value)).toEqual(value);
  });
});
