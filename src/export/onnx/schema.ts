import protobuf from 'protobufjs';

/**
 * The part of ONNX's protobuf schema that a model of ours needs (github.com/onnx/onnx, onnx/onnx.proto; Apache-2.0). Numbers of fields are those of
 * the standard.
 */
const message = (fields: Record<string, [type: string, id: number, rule?: 'repeated']>) => ({
  fields: Object.fromEntries(
    Object.entries(fields).map(([name, [type, id, rule]]) => [name, { type, id, ...(rule && { rule }) }]),
  ),
});

const root = protobuf.Root.fromJSON({
  nested: {
    ModelProto: message({
      irVersion: ['int64', 1],
      producerName: ['string', 2],
      producerVersion: ['string', 3],
      docString: ['string', 6],
      graph: ['GraphProto', 7],
      opsetImport: ['OperatorSetIdProto', 8, 'repeated'],
      metadataProps: ['StringStringEntryProto', 14, 'repeated'],
    }),
    OperatorSetIdProto: message({ domain: ['string', 1], version: ['int64', 2] }),
    StringStringEntryProto: message({ key: ['string', 1], value: ['string', 2] }),
    GraphProto: message({
      node: ['NodeProto', 1, 'repeated'],
      name: ['string', 2],
      initializer: ['TensorProto', 5, 'repeated'],
      docString: ['string', 10],
      input: ['ValueInfoProto', 11, 'repeated'],
      output: ['ValueInfoProto', 12, 'repeated'],
    }),
    NodeProto: message({
      input: ['string', 1, 'repeated'],
      output: ['string', 2, 'repeated'],
      name: ['string', 3],
      opType: ['string', 4],
      attribute: ['AttributeProto', 5, 'repeated'],
      domain: ['string', 7],
    }),
    AttributeProto: message({
      name: ['string', 1],
      f: ['float', 2],
      i: ['int64', 3],
      s: ['bytes', 4],
      g: ['GraphProto', 6],
      floats: ['float', 7, 'repeated'],
      ints: ['int64', 8, 'repeated'],
      strings: ['bytes', 9, 'repeated'],
      type: ['int32', 20],
    }),
    TensorProto: message({
      dims: ['int64', 1, 'repeated'],
      dataType: ['int32', 2],
      stringData: ['bytes', 6, 'repeated'],
      name: ['string', 8],
      rawData: ['bytes', 9],
    }),
    ValueInfoProto: message({ name: ['string', 1], type: ['TypeProto', 2], docString: ['string', 3] }),
    TypeProto: message({ tensorType: ['TensorTypeProto', 1] }),
    TensorTypeProto: message({ elemType: ['int32', 1], shape: ['TensorShapeProto', 2] }),
    TensorShapeProto: message({ dim: ['DimensionProto', 1, 'repeated'] }),
    DimensionProto: message({ dimValue: ['int64', 1], dimParam: ['string', 2] }),
  },
});

/** Numbers of element types (TensorProto.DataType). */
export const ELEMENT = { float: 1, uint8: 2, int64: 7, string: 8, bool: 9, double: 11 } as const;
export type Element = keyof typeof ELEMENT;

/** Numbers of attribute types (AttributeProto.AttributeType). */
const ATTRIBUTE = { f: 1, i: 2, s: 3, g: 5, floats: 6, ints: 7, strings: 8 } as const;

export type Attribute =
  | { f: number }
  | { i: number }
  | { s: string }
  | { g: GraphMessage }
  | { floats: readonly number[] }
  | { ints: readonly number[] }
  | { strings: readonly string[] };

export interface NodeMessage {
  input: string[];
  output: string[];
  name: string;
  opType: string;
  attribute: object[];
  domain?: string;
}

export interface TensorMessage {
  name: string;
  dims: number[];
  dataType: number;
  rawData?: Uint8Array;
  stringData?: Uint8Array[];
}

export interface ValueMessage {
  name: string;
  type: object;
  docString?: string;
}

export interface GraphMessage {
  name: string;
  node: NodeMessage[];
  initializer: TensorMessage[];
  input: ValueMessage[];
  output: ValueMessage[];
}

export interface ModelMessage {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  docString: string;
  graph: GraphMessage;
  opsetImport: { domain: string; version: number }[];
  metadataProps: { key: string; value: string }[];
}

export function describeAttribute(name: string, attribute: Attribute): object {
  const [kind, value] = Object.entries(attribute)[0] as [keyof typeof ATTRIBUTE, unknown];
  const bytes =
    kind === 's'
      ? Buffer.from(value as string)
      : kind === 'strings'
        ? (value as string[]).map((one) => Buffer.from(one))
        : value;
  return { name, type: ATTRIBUTE[kind], [kind]: bytes };
}

/** A tensor's place in a signature; a string stands for a size that is only known when it runs. */
export function describeValue(
  name: string,
  element: Element,
  dims?: readonly (number | string)[],
  docString?: string,
): ValueMessage {
  const dim = dims?.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: size }));
  return {
    name,
    type: { tensorType: { elemType: ELEMENT[element], ...(dim && { shape: { dim } }) } },
    ...(docString !== undefined && { docString }),
  };
}

export function encodeModel(model: ModelMessage): Uint8Array {
  return root.lookupType('ModelProto').encode(model).finish();
}
