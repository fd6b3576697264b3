/** GGUF files that are no models that write text: what they are, and what to do with them. */
import { UnsupportedError } from '../errors.ts'
import type { Gguf, Metadata } from '../gguf/types.ts'

/** By `general.type`. Source: llama.cpp's gguf-py. */
const TYPES = new Map<unknown, readonly [what: string, then: string]>([
  ['adapter', ['a LoRA adapter', 'merge it into its model, and convert that']],
  ['mmproj', ['a projector of images or sounds', 'load the model that it belongs to']],
  ['imatrix', ['an importance matrix', 'it is for cria quantize --imatrix']],
])

/** By `general.architecture`. */
const ARCHITECTURES: readonly (readonly [RegExp, string])[] = [
  [/^clip$/, ', a projector of images or sounds'],
  [/^controlvector$/, ', a control vector and no model'],
  [/^eagle|^dflash|assistant|draft|mtp/, ', a draft model for another'],
  [/bert|embed|^t5/, ', an encoder'],
  [/whisper|tts|wavtokenizer/, ', a model of speech'],
  [/^(flux|sd\d|sdxl|aura|ltxv|hyvid|wan|hidream|lumina|cosmos|qwen_image)/, ', a model of images'],
  [/^(dream|llada|rnd1)/, ', a diffusion model'],
]

/** @throws UnsupportedError NOT_A_MODEL for a file that says that it is none */
export function refuseOtherTypes(metadata: Metadata): void {
  const type = metadata.get('general.type')
  const kind = TYPES.get(type)
  if (!kind) return
  const message = `The file is ${kind[0]} (general.type is ${type}), not a model: ${kind[1]}.`
  throw new UnsupportedError('NOT_A_MODEL', message, type)
}

/** Of an architecture that is none of those that run. */
export function unsupported(name: string, those: readonly { name: string }[]): UnsupportedError {
  const kind = ARCHITECTURES.find(([pattern]) => pattern.test(name))?.[1] ?? ''
  const names = those.map((one) => one.name).join(', ')
  const message = `The architecture is ${name}${kind}; cria runs ${names} and what goes by their names (docs/MODELS.md).`
  return new UnsupportedError('UNSUPPORTED_ARCHITECTURE', message, name)
}

/** @throws UnsupportedError NOT_A_MODEL for a file without weights */
export function refuseVocabulary({ tensors }: Gguf): void {
  if (tensors.size > 0) return
  const message = 'The file has a vocabulary at most, and no weights: it is for cria tokenize and loadTokenizer.'
  throw new UnsupportedError('NOT_A_MODEL', message)
}
