/** Seed-OSS: ByteDance 2025. LLaMA with biases of queries, keys and values; its second norm has another name. */
import { type Architecture, llamaLayer } from './architecture.ts'

export const seed_oss: Architecture = {
  name: 'seed_oss',
  rope: 'half',
  layer: (find, config, i) => llamaLayer(find, config, i, { ffnNorm: find.norm(`blk.${i}.post_attention_norm`) }),
}
