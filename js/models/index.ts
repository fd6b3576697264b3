/** The architectures that cria runs. */
import { getString } from '../gguf/metadata.ts'
import type { Gguf, Metadata } from '../gguf/types.ts'
import type { Warn } from '../util/warn.ts'
import { arcee } from './arcee.ts'
import { type Architecture, configOf, takeTensors, tensorsOf } from './architecture.ts'
import { cohere2 } from './cohere2.ts'
import { commandR } from './command-r.ts'
import type { ModelConfig } from './config.ts'
import { ernie4_5 } from './ernie4_5.ts'
import { exaone } from './exaone.ts'
import { exaone4 } from './exaone4.ts'
import { gemma } from './gemma.ts'
import { gemma2 } from './gemma2.ts'
import { gemma3 } from './gemma3.ts'
import { glm4 } from './glm4.ts'
import { granite, granitemoe } from './granite.ts'
import { hunyuanDense } from './hunyuan-dense.ts'
import { internlm2 } from './internlm2.ts'
import { refuseOtherTypes, unsupported } from './kinds.ts'
import { llama } from './llama.ts'
import { minicpm } from './minicpm.ts'
import { mistral3 } from './mistral3.ts'
import { nemotron } from './nemotron.ts'
import { olmo2 } from './olmo2.ts'
import { olmoe } from './olmoe.ts'
import { Outline } from './outline.ts'
import { phi3 } from './phi3.ts'
import { qwen2 } from './qwen2.ts'
import { qwen2moe } from './qwen2moe.ts'
import { qwen3, qwen3moe } from './qwen3.ts'
import { seed_oss } from './seed_oss.ts'
import { smollm3 } from './smollm3.ts'
import { stablelm } from './stablelm.ts'
import type { ModelTensors } from './tensors.ts'

// biome-ignore format: a list
export const ARCHITECTURES: readonly Architecture[] = [
  llama, mistral3, qwen2, qwen2moe, qwen3, qwen3moe, olmoe, olmo2, granite, granitemoe, minicpm, ernie4_5, internlm2, seed_oss,
  hunyuanDense, smollm3, exaone, exaone4, glm4, arcee, phi3, gemma, gemma2, gemma3, stablelm, nemotron,
  commandR, cohere2,
]

/** @throws UnsupportedError for what is no model, and for an architecture that cria does not run */
export function architectureOf(metadata: Metadata): Architecture {
  refuseOtherTypes(metadata)
  return architectureNamed(getString(metadata, 'general.architecture'))
}

function architectureNamed(name: string): Architecture {
  const found = ARCHITECTURES.find((one) => one.name === name)
  if (found) return found
  throw unsupported(name, ARCHITECTURES)
}

/**
 * Reads and checks the sizes and traits of a model. `warn` hears of keys that say nothing of it.
 * @throws UnsupportedError for what is no model, another architecture or a feature that cria lacks; FormatError for sizes that cannot be.
 */
export function readConfig(gguf: Gguf, warn: Warn = () => {}): ModelConfig {
  return configOf(architectureOf(gguf.metadata), gguf, warn)
}

/**
 * Finds every tensor of a model and checks its type and shape.
 * @throws FormatError TENSOR_MISSING, TENSOR_SHAPE; UnsupportedError TENSOR_TYPE, TENSOR_UNKNOWN
 */
export function findTensors(gguf: Gguf, config: ModelConfig): ModelTensors {
  return tensorsOf(architectureOf(gguf.metadata), gguf, config)
}

/**
 * The dimensions of every tensor that a model of these sizes and traits has, by name, where there is no file yet.
 * @param has which of the tensors that a file may have or lack are wanted, by name
 */
export function outline(config: ModelConfig, has: (name: string) => boolean): ReadonlyMap<string, readonly number[]> {
  const tensors = new Outline(config, has)
  takeTensors(architectureNamed(config.architecture), tensors, config)
  return tensors.dimensions
}
