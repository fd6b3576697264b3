/** llama.cpp's names of flags, request fields and metadata keys: tests/fixtures/llama-names.json. */
import { readFileSync } from 'node:fs'

export interface LlamaFlag {
  names: string[]
  negated?: string[]
  /** How many values follow. */
  values: number
  env?: string
  /** Tools that have it; `common`: all that read these flags, but for those `excluded`. */
  tools: string[]
  excluded?: string[]
}

export interface LlamaNames {
  common: LlamaFlag[]
  quantize: string[][]
  'gguf-split': string[][]
  bench: string[][]
  convert: string[][]
  /** Fields of requests, by what reads them. */
  fields: { completion: string[]; chat: string[]; responses: string[]; messages: string[]; others: string[] }
  keys: {
    all: string[]
    /** Read for every model, and of some architectures by themselves; `%s` is the architecture. */
    model: string[]
    architectures: Record<string, string[]>
  }
}

export const LLAMA: LlamaNames = JSON.parse(readFileSync('tests/fixtures/llama-names.json', 'utf8'))

/** The flags of a tool that reads those of common/arg.cpp. */
export function flagsOf(...tools: string[]): LlamaFlag[] {
  return LLAMA.common.filter(
    ({ tools: its, excluded = [] }) =>
      tools.some((tool) => its.includes(tool)) ||
      (its.includes('common') && tools.some((tool) => !excluded.includes(tool))),
  )
}
