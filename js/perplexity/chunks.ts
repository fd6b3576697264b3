/**
 * A text in chunks of equal length, each computed by itself; the later half of a chunk counts, so that every counted
 * token has half a chunk before it.
 *
 *     0 ········ first ┌─── logits after these ───┐ context
 *                        └─ predict the next ones ──┘
 *
 * The first token of each chunk is replaced by BOS where the vocabulary puts BOS first. Source: llama.cpp's
 * tools/perplexity.
 */
import * as platform from '#platform'
import { ArgumentError, throwIfAborted, UnsupportedError } from '../errors.ts'
import type { TokenizeOptions } from '../tokenizer/tokenizer.ts'
import { invalid } from '../util/check.ts'

/** What is measured: a model, as far as its logits. */
export interface LogitsModel {
  readonly info: { readonly context: number; readonly vocabularySize: number }
  tokenize(text: string, options?: TokenizeOptions): number[]
  /** `data`: [ids - from, vocabulary] */
  logits(
    ids: readonly number[],
    options?: { from?: number; signal?: AbortSignal },
  ): Promise<{ data: Float32Array; shape: [number, number] }>
}

export interface ChunkPlan {
  ids: readonly number[]
  /** Tokens of a chunk. */
  context: number
  chunks: number
  /** Replaces the first token of each chunk. */
  bos: number | undefined
}

const DEFAULT_CONTEXT = 512
/** Least tokens of a chunk: one counts. */
const LEAST_CONTEXT = 4

/** @throws ArgumentError for options out of range and a text of less than two chunks; UnsupportedError */
export function planChunks(
  model: LogitsModel,
  text: string | readonly number[],
  options: { context?: number; chunks?: number },
): ChunkPlan {
  const most = model.info.context
  const { context = Math.min(DEFAULT_CONTEXT, most), chunks } = options
  if (!Number.isInteger(context) || context < LEAST_CONTEXT || context > most) {
    throw invalid('context', `a whole number from ${LEAST_CONTEXT} to the model's context, ${most}`, context)
  }
  if (chunks !== undefined && (!Number.isInteger(chunks) || chunks < 1)) {
    throw invalid('chunks', 'a whole number of at least 1', chunks)
  }
  const ids = typeof text === 'string' ? model.tokenize(text, { special: false }) : Array.from(text)
  if (ids.length < 2 * context) {
    const message = `The text has ${ids.length} tokens; with a context of ${context} it takes ${2 * context}. Give a longer text or a smaller context.`
    throw new ArgumentError('TEXT_SHORT', message, ids.length)
  }
  const whole = Math.floor(ids.length / context)
  return { ids, context, chunks: Math.min(chunks ?? whole, whole), bos: leadingBos(model) }
}

/** BOS, where the vocabulary puts it before a text. */
export function leadingBos(model: LogitsModel): number | undefined {
  const [bos, ...more] = model.tokenize('', { special: false })
  if (more.length === 0) return bos
  const message =
    'The vocabulary puts a token after each text (add_eos_token); chunks of a text cannot be measured with it.'
  throw new UnsupportedError('PERPLEXITY_EOS', message, more[0])
}

/** Tokens of a chunk that count. */
export function countedTokens(context: number): number {
  return context - 1 - Math.floor(context / 2)
}

export interface Chunk {
  index: number
  /** What follows each row, [n]. */
  targets: readonly number[]
  /** Row by row: f32 [n, vocabulary]; lets other tasks have their turn in between. */
  rows(): AsyncGenerator<{ logits: Float32Array; target: number; row: number }>
}

/** Rows between two pauses. */
const ROWS = 8

/** The tokens of a chunk. */
export function chunkIds({ ids, context, bos }: ChunkPlan, index: number): number[] {
  const chunk = ids.slice(index * context, (index + 1) * context)
  if (bos !== undefined) chunk[0] = bos
  return chunk
}

/** The chunks, one after the other. @throws what {@link Model.logits} throws */
export async function* runChunks(model: LogitsModel, plan: ChunkPlan, signal?: AbortSignal): AsyncGenerator<Chunk> {
  const { context, chunks } = plan
  const first = Math.floor(context / 2)
  for (let index = 0; index < chunks; index++) {
    const chunk = chunkIds(plan, index)
    const targets = chunk.slice(first + 1)
    // Nothing comes after the last token.
    const { data, shape } = await model.logits(chunk.slice(0, -1), { from: first, ...(signal && { signal }) })
    const vocabulary = shape[1]
    yield {
      index,
      targets,
      async *rows() {
        for (const [row, target] of targets.entries()) {
          if (row % ROWS === 0) await platform.breathe()
          throwIfAborted(signal, 'The perplexity')
          yield { logits: data.subarray(row * vocabulary, (row + 1) * vocabulary), target, row }
        }
      },
    }
  }
}
