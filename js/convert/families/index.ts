/** The families of Hugging Face models that cria converts. */
import type { Json } from '../../util/json.ts'
import { arcee } from './arcee.ts'
import { ernie4_5 } from './ernie4_5.ts'
import { exaone4 } from './exaone4.ts'
import type { Family } from './family.ts'
import { gemma } from './gemma.ts'
import { gemma2 } from './gemma2.ts'
import { gemma3 } from './gemma3.ts'
import { glm4 } from './glm4.ts'
import { granite, granitemoe } from './granite.ts'
import { granitehybrid } from './granite-hybrid.ts'
import { hunyuanDense } from './hunyuan-dense.ts'
import { internlm2 } from './internlm2.ts'
import { llama, mistral, mixtral } from './llama.ts'
import { minicpm } from './minicpm.ts'
import { nemotron } from './nemotron.ts'
import { olmo2, olmo3 } from './olmo2.ts'
import { olmoe } from './olmoe.ts'
import { phi3 } from './phi3.ts'
import { qwen2 } from './qwen2.ts'
import { qwen2moe } from './qwen2moe.ts'
import { qwen3, qwen3moe } from './qwen3.ts'
import { seed_oss } from './seed_oss.ts'
import { smollm3 } from './smollm3.ts'
import { stablelm } from './stablelm.ts'

// biome-ignore format: a list
const FAMILIES: readonly Family[] = [
  llama, mistral, mixtral, qwen2, qwen2moe, qwen3, qwen3moe, olmoe, olmo2, olmo3, granite, granitemoe, granitehybrid, minicpm,
  ernie4_5, internlm2, seed_oss, hunyuanDense, smollm3, exaone4, glm4, arcee, phi3, gemma, gemma2, gemma3, stablelm, nemotron,
]

const BY_CLASS = new Map(FAMILIES.flatMap((family) => Object.keys(family.classes).map((name) => [name, family])))

/** transformers' classes, as config.json's `architectures` names them. */
export const CLASSES: readonly string[] = [...BY_CLASS.keys()]

/** The class that a config.json names; '' where it names none. */
export function architectureOf(config: Json): string {
  return Array.isArray(config.architectures) ? String(config.architectures[0]) : ''
}

export function familyOf(architecture: string): Family | undefined {
  return BY_CLASS.get(architecture)
}
