/**
 * llama-perplexity's file of a base model's log-probabilities. Source: llama.cpp's tools/perplexity. Little-endian:
 *
 *     '_logits_' | u32 context | i32 vocabulary | i32 chunks | i32 tokens[chunks × context]
 *     for each chunk, for each token of its later half but the last:
 *         f32 scale | f32 least | u16 steps[vocabulary], and one more where that is odd
 *
 * A log-probability is least + scale × steps; what is more than 16 below the greatest counts as that.
 */
import { FormatError } from '../errors.ts'
import type { Source } from '../source/types.ts'
import { countedTokens } from './chunks.ts'
import type { Softmax } from './softmax.ts'

/** Far beyond any model. */
const MOST_CONTEXT = 1 << 24
const MAGIC = '_logits_'
const HEADER = 20
const RANGE = 16
const MOST_STEPS = 65535

export interface BaseHeader {
  context: number
  vocabulary: number
  chunks: number
  /** As the text has them, without BOS in place of the first of a chunk. */
  tokens: Int32Array
}

/** Bytes of a row. */
export function rowBytes(vocabulary: number): number {
  return 8 + 4 * Math.ceil(vocabulary / 2)
}

export function writeBaseHeader({ context, vocabulary, chunks, tokens }: BaseHeader): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER + 4 * tokens.length))
  for (let i = 0; i < MAGIC.length; i++) view.setUint8(i, MAGIC.charCodeAt(i))
  view.setUint32(8, context, true)
  view.setInt32(12, vocabulary, true)
  view.setInt32(16, chunks, true)
  for (const [i, token] of tokens.entries()) view.setInt32(HEADER + 4 * i, token, true)
  return new Uint8Array(view.buffer)
}

/** Writes a row of logits; `row` views {@link rowBytes} bytes. */
export function writeBaseRow(row: DataView, logits: Float32Array, { max, logSum }: Softmax): void {
  const fround = (value: number): number => Math.fround(value)
  let min = max
  for (const logit of logits) if (logit < min) min = logit
  min = Math.max(min, fround(max - RANGE))
  const scale = fround(fround(max - min) / MOST_STEPS)
  row.setFloat32(0, scale, true)
  row.setFloat32(4, fround(fround(min - max) - fround(logSum)), true)
  const inverse = scale > 0 ? fround(1 / scale) : 0
  for (let i = 0; i < logits.length; i++) {
    const above = logits[i]! - min
    row.setUint16(8 + 2 * i, above > 0 ? nearest(fround(inverse * fround(above))) : 0, true)
  }
}

/** The nearest integer, the even one of two. */
function nearest(value: number): number {
  const down = Math.floor(value)
  const rest = value - down
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down
}

/** @throws FormatError KL_BASE for what is no such file, or is cut short */
export async function readBaseHeader(source: Source, signal?: AbortSignal): Promise<BaseHeader> {
  const view = new DataView(new ArrayBuffer(HEADER))
  if (source.size < HEADER) throw unsound(source, 'it is too short')
  await source.read(new Uint8Array(view.buffer), 0, signal)
  const magic = String.fromCharCode(...new Uint8Array(view.buffer, 0, MAGIC.length))
  if (magic !== MAGIC) throw unsound(source, `it does not begin with ${MAGIC}`)
  const context = view.getUint32(8, true)
  const vocabulary = view.getInt32(12, true)
  const chunks = view.getInt32(16, true)
  const sound = context >= 4 && context <= MOST_CONTEXT && vocabulary >= 1 && chunks >= 1
  const needed = baseRowOffset({ context, vocabulary, chunks }, chunks)
  if (!sound) throw unsound(source, `it claims ${chunks} chunks of ${context} tokens and a vocabulary of ${vocabulary}`)
  if (source.size < needed) throw unsound(source, `it has ${source.size} bytes and should have ${needed}`)
  const bytes = new Uint8Array(4 * chunks * context)
  await source.read(bytes, HEADER, signal)
  const tokens = new Int32Array(bytes.buffer)
  const wrong = tokens.find((token) => token < 0 || token >= vocabulary)
  if (wrong !== undefined) throw unsound(source, `it has a token ${wrong}`)
  return { context, vocabulary, chunks, tokens }
}

/** Where the rows of a chunk begin. */
export function baseRowOffset(header: Omit<BaseHeader, 'tokens'>, chunk: number): number {
  const { context, vocabulary, chunks } = header
  return HEADER + 4 * chunks * context + chunk * countedTokens(context) * rowBytes(vocabulary)
}

function unsound(source: Source, problem: string): FormatError {
  const message = `${source.name} is no whole file of log-probabilities: ${problem}. Write it again with --kl-divergence-base.`
  return new FormatError('KL_BASE', message, source.name)
}
