/** The sizes of models that are measured with random weights: they cost the same to run as trained ones. */

export interface ModelShape {
  readonly dim: number
  readonly ffn: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly vocabulary: number
  readonly context: number
  readonly ropeBase: number
  /** The output head is the embedding. */
  readonly tied: boolean
  /** Of each layer, and how many of them a token takes. */
  readonly experts?: { readonly count: number; readonly used: number }
}

const LLAMA_1 = { vocabulary: 32000, context: 2048, ropeBase: 10000, tied: false }
const LLAMA_2 = { vocabulary: 32000, context: 4096, ropeBase: 10000, tied: false }

/** By name. The numbers are those of the models' published configurations; `toy` is for trying things out. */
export const SHAPES: Readonly<Record<string, ModelShape>> = {
  toy: {
    dim: 256,
    ffn: 768,
    layers: 4,
    heads: 8,
    kvHeads: 4,
    vocabulary: 512,
    context: 512,
    ropeBase: 10000,
    tied: false,
  },
  'toy-experts': {
    dim: 256,
    ffn: 512,
    layers: 2,
    heads: 8,
    kvHeads: 4,
    vocabulary: 512,
    context: 512,
    ropeBase: 10000,
    tied: false,
    experts: { count: 6, used: 2 },
  },
  'smollm-135m': {
    dim: 576,
    ffn: 1536,
    layers: 30,
    heads: 9,
    kvHeads: 3,
    vocabulary: 49152,
    context: 2048,
    ropeBase: 10000,
    tied: true,
  },
  'tinyllama-1.1b': { ...LLAMA_2, dim: 2048, ffn: 5632, layers: 22, heads: 32, kvHeads: 4, context: 2048 },
  'llama-3.2-1b': {
    dim: 2048,
    ffn: 8192,
    layers: 16,
    heads: 32,
    kvHeads: 8,
    vocabulary: 128256,
    context: 131072,
    ropeBase: 500000,
    tied: true,
  },
  'llama-2-7b': { ...LLAMA_2, dim: 4096, ffn: 11008, layers: 32, heads: 32, kvHeads: 32 },
  'llama-2-13b': { ...LLAMA_2, dim: 5120, ffn: 13824, layers: 40, heads: 40, kvHeads: 40 },
  'llama-33b': { ...LLAMA_1, dim: 6656, ffn: 17920, layers: 60, heads: 52, kvHeads: 52 },
  'llama-65b': { ...LLAMA_1, dim: 8192, ffn: 22016, layers: 80, heads: 64, kvHeads: 64 },
  'llama-2-70b': { ...LLAMA_2, dim: 8192, ffn: 28672, layers: 80, heads: 64, kvHeads: 8 },
  'llama-3-8b': {
    dim: 4096,
    ffn: 14336,
    layers: 32,
    heads: 32,
    kvHeads: 8,
    vocabulary: 128256,
    context: 8192,
    ropeBase: 500000,
    tied: false,
  },
  'mixtral-8x7b': {
    dim: 4096,
    ffn: 14336,
    layers: 32,
    heads: 32,
    kvHeads: 8,
    vocabulary: 32000,
    context: 32768,
    ropeBase: 1e6,
    tied: false,
    experts: { count: 8, used: 2 },
  },
}
