/** Ministral 3, Mistral Small 3.1 and later: LLaMA but for the scale of YaRN and of late queries. */
import { log } from '../util/math.ts'
import type { Architecture } from './architecture.ts'

export const mistral3: Architecture = {
  name: 'mistral3',
  rope: 'interleaved',
  ignores: ['attention.sliding_window'],
  config(keys, { ropes: [rope] }) {
    // By which the scale of YaRN is divided. Source: llama.cpp, rope_yarn_log_mul.
    const multiplier = keys.number('rope.scaling.yarn_log_multiplier', 0)
    const divisor = rope!.scaling === 'yarn' && rope!.factor > 1 ? 1 + 0.1 * multiplier * log(rope!.factor) : 1
    return {
      temperatureScale: keys.number('attention.temperature_scale', 0) && keys.positive('attention.temperature_scale'),
      ropes: [{ ...rope!, attentionFactor: rope!.attentionFactor / divisor }],
    }
  },
}
