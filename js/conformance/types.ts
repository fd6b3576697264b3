/** What the cases are run on, and what they report. No code runs here. */
import type { ChatMessage } from '../chat/types.ts'
import type { KvType } from '../engine/kv.ts'
import type * as facade from '../index.ts'
import type { ModelInput } from '../source/types.ts'

/** What the cases call: `import * as cria from 'cria'`. */
export type Cria = Pick<typeof facade, 'load' | 'loadTokenizer'>

/** A way of computing the same. */
export interface Configuration {
  isa?: 'simd' | 'relaxed'
  threads?: number
  /** Tokens of a prompt computed at once. */
  batch?: number
  inProcess?: boolean
}

/** A chat template and what to render with it. */
export interface TemplateCase {
  template: string
  variables?: Record<string, unknown>
  conversations: readonly { messages: readonly ChatMessage[]; tools?: unknown[] }[]
}

export interface ConformanceOptions {
  /** models/stories260K.gguf of the package. */
  stories: ModelInput
  /** Further models by name, small ones: each in a few configurations. */
  models?: Record<string, { input: ModelInput; kv?: KvType }>
  /** Further vocabularies by name, and texts for them. */
  vocabularies?: Record<string, { input: ModelInput; texts: readonly string[] }>
  templates?: Record<string, TemplateCase>
  /** The configurations to compute stories260K in; default: all that the runtime has. */
  configurations?: readonly Configuration[]
  onCase?: (result: CaseResult) => void
  signal?: AbortSignal
}

export interface CaseResult {
  name: string
  /** SHA-256 in hexadecimal, of a case that is the same everywhere to the bit. */
  hash?: string
  /** In how many configurations it was computed. */
  configurations?: number
  /** What is wrong, in a sentence. */
  problem?: string
}

/** What the runtime has. */
export interface Variants {
  isas: ('simd' | 'relaxed')[]
  /** Numbers of threads. */
  threads: number[]
  /** Of what it has not, why, in a few words. */
  missing: Record<string, string>
}

export interface Report extends Variants {
  /** Every case is as it should be. */
  ok: boolean
  /** SHA-256 over the names and hashes of all cases that have one. */
  hash: string
  cases: CaseResult[]
  /** Of stories260K with the runtime's defaults. */
  tokensPerSecond: number
}
