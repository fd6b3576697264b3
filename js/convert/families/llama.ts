/** LLaMA, Mistral and Mixtral. */
import { type Family, type HfConfig, type Key, sizes, uint32 } from './family.ts'
import { experts, feedForward, llamaLayer } from './layers.ts'
import { refuseWindows } from './windows.ts'

const LLAMA = sizes(32000, 4096, 11008, 32, 32, null, 2048)
const MISTRAL = sizes(32000, 4096, 14336, 32, 32, 8, 131072)
/** Of Code Llama's vocabulary, and the tokens of its infilling. */
const CODE_LLAMA = 32016
const INFILL = { prefix: 32007, suffix: 32008, middle: 32009, eot: 32010 }

export function llamaKeys({ vocabSize, headDim }: HfConfig): Key[] {
  return [uint32('vocab_size', vocabSize), uint32('rope.dimension_count', headDim)]
}

export const llama: Family = {
  name: 'llama',
  classes: { LlamaForCausalLM: LLAMA, LlamaModel: LLAMA },
  scalings: ['llama3'],
  interleaves: true,
  headDim: 'always',
  keys: llamaKeys,
  layer: (config) => {
    const { mlp_bias, attention_bias } = config.json
    return llamaLayer(config, feedForward(config, { bias: mlp_bias === true }), { outputBias: attention_bias === true })
  },
  vocabulary: {
    spacePrefix: 'first',
    ids: ({ vocab_size }): Record<string, unknown> => (vocab_size === CODE_LLAMA ? INFILL : {}),
  },
}

export const mistral: Family = {
  ...llama,
  classes: { MistralForCausalLM: { ...MISTRAL, sliding_window: 4096 } },
  check: (config) => refuseWindows(config),
}

export const mixtral: Family = {
  ...llama,
  classes: {
    MixtralForCausalLM: {
      ...MISTRAL,
      rms_norm_eps: 1e-5,
      rope_theta: 1e6,
      sliding_window: null,
      num_local_experts: 8,
      num_experts_per_tok: 2,
    },
  },
  headDim: 'stated',
  check: (config) => refuseWindows(config),
  layer: (config) => {
    const expert = (part: string) => `block_sparse_moe.experts.*.${part}.weight`
    const names = [expert('w1'), expert('w3'), expert('w2')] as const
    const fused = ['mlp.experts.gate_up_proj', 'mlp.experts.down_proj'] as const
    return llamaLayer(config, experts(config, { router: 'block_sparse_moe.gate', names, fused }))
  },
}
