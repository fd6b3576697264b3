/** The sizes of models that are measured with random weights: they cost the same to run as trained ones. */
import type { MetadataEntry } from '../gguf/writer.ts'

/** By GGUF's names, without the architecture's prefix. */
export interface ModelShape {
  /** Default: `llama`. */
  readonly architecture?: string
  readonly vocabSize: number
  readonly contextLength: number
  readonly embeddingLength: number
  readonly blockCount: number
  readonly feedForwardLength: number
  readonly headCount: number
  readonly headCountKv: number
  /** Dimensions of a head; default: as many as make up a row of the embedding. */
  readonly keyLength?: number
  /** Of these, the ones that are turned; default: all. */
  readonly ropeDimensionCount?: number
  readonly ropeFreqBase: number
  /** Default: 1e-5. */
  readonly epsilon?: number
  /** The output head is the embedding. */
  readonly tied: boolean
  /** Of each layer, how many of them a token takes, and their own width; default: none, and that of a dense layer. */
  readonly expertCount?: number
  readonly expertUsedCount?: number
  readonly expertFeedForwardLength?: number
  /** What else its files say. */
  readonly keys?: readonly MetadataEntry[]
  /** In the names of tensors that files of the architecture may have or lack, and that its own have; default: a gate apart from ffn_up. */
  readonly tensors?: RegExp
}

const count = (key: string, value: number): MetadataEntry => ({ key, type: 'uint32', value })
const real = (key: string, value: number): MetadataEntry => ({ key, type: 'float32', value })

const LLAMA_1 = { vocabSize: 32000, contextLength: 2048, ropeFreqBase: 10000, tied: false }
const LLAMA_2 = { ...LLAMA_1, contextLength: 4096 }
const LLAMA_3 = { vocabSize: 128256, ropeFreqBase: 500000 }
const TOY = { vocabSize: 512, contextLength: 512, ropeFreqBase: 10000, tied: false }
const QWEN = { vocabSize: 151936, ropeFreqBase: 1e6, epsilon: 1e-6 }
const QWEN_3 = { ...QWEN, contextLength: 40960, keyLength: 128 }

// biome-ignore format: a table, two lines a shape
/** By name. The numbers are those of the models' published configurations (config.json); `toy` is for trying things out. */
export const SHAPES: Readonly<Record<string, ModelShape>> = {
  toy: { ...TOY,
    embeddingLength: 256, blockCount: 4, feedForwardLength: 768, headCount: 8, headCountKv: 4 },
  'toy-experts': { ...TOY, expertCount: 6, expertUsedCount: 2,
    embeddingLength: 256, blockCount: 2, feedForwardLength: 512, headCount: 8, headCountKv: 4 },
  'smollm-135m': { vocabSize: 49152, contextLength: 2048, ropeFreqBase: 10000, tied: true,
    embeddingLength: 576, blockCount: 30, feedForwardLength: 1536, headCount: 9, headCountKv: 3 },
  'tinyllama-1.1b': { ...LLAMA_1,
    embeddingLength: 2048, blockCount: 22, feedForwardLength: 5632, headCount: 32, headCountKv: 4 },
  'llama-3.2-1b': { ...LLAMA_3, contextLength: 131072, tied: true,
    embeddingLength: 2048, blockCount: 16, feedForwardLength: 8192, headCount: 32, headCountKv: 8 },
  'llama-2-7b': { ...LLAMA_2,
    embeddingLength: 4096, blockCount: 32, feedForwardLength: 11008, headCount: 32, headCountKv: 32 },
  'llama-2-13b': { ...LLAMA_2,
    embeddingLength: 5120, blockCount: 40, feedForwardLength: 13824, headCount: 40, headCountKv: 40 },
  'llama-33b': { ...LLAMA_1,
    embeddingLength: 6656, blockCount: 60, feedForwardLength: 17920, headCount: 52, headCountKv: 52 },
  'llama-65b': { ...LLAMA_1,
    embeddingLength: 8192, blockCount: 80, feedForwardLength: 22016, headCount: 64, headCountKv: 64 },
  'llama-2-70b': { ...LLAMA_2,
    embeddingLength: 8192, blockCount: 80, feedForwardLength: 28672, headCount: 64, headCountKv: 8 },
  'llama-3-8b': { ...LLAMA_3, contextLength: 8192, tied: false,
    embeddingLength: 4096, blockCount: 32, feedForwardLength: 14336, headCount: 32, headCountKv: 8 },
  'mixtral-8x7b': { ...LLAMA_2, contextLength: 32768, ropeFreqBase: 1e6, expertCount: 8, expertUsedCount: 2,
    embeddingLength: 4096, blockCount: 32, feedForwardLength: 14336, headCount: 32, headCountKv: 8 },
  'qwen2.5-0.5b': { architecture: 'qwen2', ...QWEN, contextLength: 32768, tied: true, tensors: /ffn_gate\.weight|attn_[qkv]\.bias/,
    embeddingLength: 896, blockCount: 24, feedForwardLength: 4864, headCount: 14, headCountKv: 2 },
  'qwen3-0.6b': { architecture: 'qwen3', ...QWEN_3, tied: true,
    embeddingLength: 1024, blockCount: 28, feedForwardLength: 3072, headCount: 16, headCountKv: 8 },
  'qwen3-4b': { architecture: 'qwen3', ...QWEN_3, tied: true,
    embeddingLength: 2560, blockCount: 36, feedForwardLength: 9728, headCount: 32, headCountKv: 8 },
  'qwen3-30b-a3b': { architecture: 'qwen3moe', ...QWEN_3, tied: false, expertCount: 128, expertUsedCount: 8, expertFeedForwardLength: 768,
    embeddingLength: 2048, blockCount: 48, feedForwardLength: 6144, headCount: 32, headCountKv: 4 },
  'gemma-2-2b': { architecture: 'gemma2', vocabSize: 256000, contextLength: 8192, ropeFreqBase: 10000, epsilon: 1e-6, tied: true,
    embeddingLength: 2304, blockCount: 26, feedForwardLength: 9216, headCount: 8, headCountKv: 4, keyLength: 256,
    keys: [count('attention.sliding_window', 4096), real('attn_logit_softcapping', 50), real('final_logit_softcapping', 30)] },
  'gemma-3-1b': { architecture: 'gemma3', vocabSize: 262144, contextLength: 32768, ropeFreqBase: 1e6, epsilon: 1e-6, tied: true,
    embeddingLength: 1152, blockCount: 26, feedForwardLength: 6912, headCount: 4, headCountKv: 1, keyLength: 256,
    keys: [count('attention.sliding_window', 512)] },
  'smollm3-3b': { architecture: 'smollm3', vocabSize: 128256, contextLength: 65536, ropeFreqBase: 5e6, epsilon: 1e-6, tied: true,
    embeddingLength: 2048, blockCount: 36, feedForwardLength: 11008, headCount: 16, headCountKv: 4 },
  'granite-4-1b': { architecture: 'granite', vocabSize: 100352, contextLength: 131072, ropeFreqBase: 1e7, tied: true,
    embeddingLength: 2048, blockCount: 40, feedForwardLength: 4096, headCount: 16, headCountKv: 4,
    keys: [real('embedding_scale', 12), real('residual_scale', 0.22), real('attention.scale', 0.0078125), real('logit_scale', 8)] },
  'phi-4-mini': { architecture: 'phi3', vocabSize: 200064, contextLength: 131072, ropeFreqBase: 10000, tied: true,
    embeddingLength: 3072, blockCount: 32, feedForwardLength: 8192, headCount: 24, headCountKv: 8, ropeDimensionCount: 96,
    tensors: /attn_qkv\.weight|rope_factors/,
    keys: [
      // √(1 + ln(131072 / 4096) / ln 4096)
      count('attention.sliding_window', 262144), count('rope.scaling.original_context_length', 4096), real('rope.scaling.attn_factor', 1.1902381),
    ] },
  'olmo-2-1b': { architecture: 'olmo2', vocabSize: 100352, contextLength: 4096, ropeFreqBase: 500000, epsilon: 1e-6, tied: false,
    embeddingLength: 2048, blockCount: 16, feedForwardLength: 8192, headCount: 16, headCountKv: 16 },
}
