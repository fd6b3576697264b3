/** InternLM 2: LLaMA by other names; queries, keys and values of each key head stand together. */
import { type Family, type HfConfig, sizes } from './family.ts'
import { feedForward, linear, norm } from './layers.ts'
import type { TensorRule } from './tensor-rule.ts'
import { only } from './values.ts'

export const internlm2: Family = {
  name: 'internlm2',
  classes: { InternLM2ForCausalLM: sizes(103168, 4096, 11008, 32, 32, null, 2048) },
  interleaves: true,
  check: (config) => only(config, 'bias', false, null),
  outer: { embedding: 'model.tok_embeddings', norm: 'model.norm', head: 'output' },
  layer: (config) => {
    const part = (name: string) => `feed_forward.${name}`
    return [
      ...norm('attn_norm', 'attention_norm', config.embeddingLength),
      ...attention(config),
      ...norm('ffn_norm', 'ffn_norm', config.embeddingLength),
      ...feedForward(config, { names: [part('w1'), part('w3'), part('w2')] }),
    ]
  },
  vocabulary: { spacePrefix: 'model', addsFromJson: true, internlm: true, parts: 'eos:<|im_end|>' },
}

function attention({ embeddingLength, headCount, headCountKv, headDim }: HfConfig): TensorRule[] {
  const queries = headCount / headCountKv
  const rows = (queries + 2) * headDim
  const part = (name: string, first: number, heads: number): TensorRule[] => {
    const spans = Array.from({ length: headCountKv }, (_, group) => {
      return [group * rows + first * headDim, heads * headDim] as const
    })
    return linear(name, 'attention.wqkv', [headCountKv * heads * headDim, embeddingLength], {
      headRows: name === 'attn_v' ? undefined : headDim,
      fused: { source: 'attention.wqkv', rows: headCountKv * rows, spans, only: true },
    })
  }
  return [
    ...part('attn_q', 0, queries),
    ...part('attn_k', queries, 1),
    ...part('attn_v', queries + 1, 1),
    ...linear('attn_output', 'attention.wo', [embeddingLength, headCount * headDim]),
  ]
}
