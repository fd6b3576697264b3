/**
 * llama2.c's `tokenizer.bin`: a SentencePiece vocabulary with its scores.
 *
 *     i32 longest piece in bytes | for each token: f32 score, i32 length, that many bytes of UTF-8
 *
 * Spaces stand for SentencePiece's U+2581, and BOS and EOS are wrapped in newlines. Source: llama2.c's `tokenizer.py`.
 */
import { FormatError } from '../errors.ts'

/** GGUF's `tokenizer.ggml.token_type`. */
const NORMAL = 1
const UNKNOWN = 2
const CONTROL = 3
const BYTE = 6

const SPECIAL = ['<unk>', '<s>', '</s>']

export interface Llama2cTokenizer {
  tokens: string[]
  scores: Float32Array
  types: Int32Array
}

/** @throws FormatError if the file does not hold exactly `vocabSize` tokens. */
export function readLlama2cTokenizer(bytes: Uint8Array, vocabSize: number): Llama2cTokenizer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })
  const tokens: string[] = []
  const seen = new Set<string>()
  const scores: number[] = []
  const types: number[] = []
  let position = 4
  for (let id = 0; id < vocabSize; id++) {
    if (position + 8 > bytes.length) throw tokenizerError(id, vocabSize, 'ends early')
    const score = view.getFloat32(position, true)
    if (!Number.isFinite(score)) throw tokenizerError(id, vocabSize, 'has a score that is no number')
    scores.push(score)
    const length = view.getInt32(position + 4, true)
    position += 8
    if (length < 0 || position + length > bytes.length) throw tokenizerError(id, vocabSize, 'ends early')
    let text: string
    try {
      text = decoder.decode(bytes.subarray(position, position + length))
    } catch {
      throw tokenizerError(id, vocabSize, 'is no UTF-8')
    }
    position += length
    const token = SPECIAL[id] ?? text.replaceAll(' ', '\u2581')
    if (token === '' || seen.has(token))
      throw tokenizerError(id, vocabSize, token === '' ? 'has no text' : 'repeats one')
    seen.add(token)
    tokens.push(token)
    types.push(tokenType(id, text))
  }
  if (position !== bytes.length) throw tokenizerError(vocabSize, vocabSize, 'holds more than that')
  return { tokens, scores: Float32Array.from(scores), types: Int32Array.from(types) }
}

function tokenType(id: number, text: string): number {
  if (id === 0) return UNKNOWN
  if (id < SPECIAL.length) return CONTROL
  return /^<0x[0-9A-F]{2}>$/.test(text) ? BYTE : NORMAL
}

function tokenizerError(id: number, vocabSize: number, problem: string): FormatError {
  return new FormatError(
    'LLAMA2C_TOKENIZER',
    `The tokenizer file does not fit: the checkpoint has ${vocabSize} tokens, and at token ${id} the file ${problem}. ` +
      'Use the tokenizer.bin that belongs to the checkpoint.',
    id,
  )
}
