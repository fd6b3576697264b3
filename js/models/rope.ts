/** Rotary frequencies: Su et al. 2021; linear scaling: Chen et al. 2023; YaRN: Peng et al. 2023; LongRoPE: Ding et al. 2024, as
 * llama.cpp has them. And the scale of queries by their position. */
import { log, pow } from '../util/math.ts'
import type { ModelConfig, RopeConfig } from './config.ts'

const TWO_PI = 6.283185307179586

export interface RopeTable {
  /** Radians a position, f64[dimensions / 2]. */
  frequencies: Float64Array
  /** What cosines and sines are multiplied by. */
  scale: number
}

/** @param factors by which the frequencies are divided (ModelTensors.ropeFactors): f32[dimensions / 2] */
export function ropeTable(rope: RopeConfig, factors?: Float32Array): RopeTable {
  const pairs = rope.dimensions / 2
  const frequencies = new Float64Array(pairs)
  const yarn = rope.scaling === 'yarn'
  const [low, high] = yarn ? yarnRange(rope) : [0, 0]
  for (let i = 0; i < pairs; i++) {
    const frequency = pow(rope.base, (-2 * i) / rope.dimensions) / (factors?.[i] ?? 1)
    // The share of the unscaled frequency: 1 for fast pairs, 0 for slow ones.
    const kept = yarn ? 1 - Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low))) : 0
    frequencies[i] = (frequency / rope.factor) * (1 - kept) + frequency * kept
  }
  const scale = yarn ? rope.attentionFactor * (1 + 0.1 * log(rope.factor)) : rope.attentionFactor
  return { frequencies, scale }
}

/** The pairs between which YaRN goes over from unscaled to scaled. */
function yarnRange(rope: RopeConfig): [number, number] {
  const { dimensions, originalContext, base } = rope
  const pair = (turns: number): number => (dimensions * log(originalContext / (turns * TWO_PI))) / (2 * log(base))
  return [Math.max(0, Math.floor(pair(rope.betaFast))), Math.min(dimensions - 1, Math.ceil(pair(rope.betaSlow)))]
}

/** What queries at a position are multiplied by. Source: llama.cpp's llm_graph_input_attn_temp. */
export function queryScale({ temperatureScale, ropes }: ModelConfig, position: number): number {
  return 1 + temperatureScale * log(1 + Math.floor(position / ropes[0]!.originalContext))
}
