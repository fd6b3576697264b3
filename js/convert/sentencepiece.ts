/**
 * SentencePiece's `tokenizer.model`: a protocol buffer of type ModelProto. Source: google/sentencepiece,
 * `src/sentencepiece_model.proto` (numbers of fields and values).
 */
import { PbfReader } from 'pbf'
import { FormatError, UnsupportedError } from '../errors.ts'

export interface SentencePieceModel {
  pieces: { text: string; score: number; type: number }[]
  /** A space is put before a text. */
  addDummyPrefix: boolean
  /** Of the rule that texts are normalized by: `identity` … And the rule itself: see the tokenizer's `replacer`. */
  normalizer: string
  charsMap: Uint8Array
  /** Runs of spaces become one, and none is left at the ends. */
  mergesSpaces: boolean
  /** A unigram model; else BPE. */
  unigram: boolean
}

/** ModelProto.SentencePiece.Type; GGUF's token types have the same numbers. */
export const NORMAL = 1
export const UNKNOWN = 2
export const CONTROL = 3
export const USER_DEFINED = 4
export const UNUSED = 5
export const BYTE = 6

/** TrainerSpec.ModelType. */
const MODEL_TYPES = ['', 'UNIGRAM', 'BPE', 'WORD', 'CHAR']
const [UNIGRAM, BPE] = [1, 2]

interface Fields extends Omit<SentencePieceModel, 'unigram'> {
  modelType: number
  /** Marks for spaces stand after words. */
  spaceAsSuffix: boolean
}

/**
 * @throws FormatError SENTENCEPIECE for what is no such file; UnsupportedError SENTENCEPIECE_TYPE for other models than BPE and
 *   unigram ones, which GGUF's tokenizers `llama` and `t5` are
 */
export function readSentencePiece(bytes: Uint8Array, name: string): SentencePieceModel {
  const fields: Fields = {
    pieces: [],
    addDummyPrefix: true,
    normalizer: '',
    charsMap: new Uint8Array(),
    mergesSpaces: true,
    modelType: UNIGRAM,
    spaceAsSuffix: false,
  }
  const reader = new PbfReader(bytes)
  let sound = true
  try {
    reader.readFields(readModel, fields)
    sound = reader.pos === bytes.length
  } catch {
    sound = false
  }
  const { modelType, spaceAsSuffix, ...model } = fields
  const { pieces } = model
  sound &&= pieces.every(
    ({ text, score, type }) => text !== '' && Number.isFinite(score) && type >= NORMAL && type <= BYTE,
  )
  if (!sound || pieces.length === 0) {
    const message = `${name} is no SentencePiece model, or is damaged: download it again.`
    throw new FormatError('SENTENCEPIECE', message, name)
  }
  const texts = new Set(pieces.map(({ text }) => text))
  if (texts.size < pieces.length) {
    const message = `${name} has a token twice: it is damaged; download it again.`
    throw new FormatError('SENTENCEPIECE', message, name)
  }
  if ((modelType !== BPE && modelType !== UNIGRAM) || spaceAsSuffix) {
    const kind = spaceAsSuffix ? 'with spaces after words' : MODEL_TYPES[modelType] || `of type ${modelType}`
    const message = `${name} is a SentencePiece model ${kind}; GGUF has SentencePiece's BPE and unigram models, with spaces before words.`
    throw new UnsupportedError('SENTENCEPIECE_TYPE', message, kind)
  }
  return { ...model, unigram: modelType === UNIGRAM }
}

function readModel(tag: number, model: Fields, reader: PbfReader): void {
  if (tag === 1) model.pieces.push(reader.readMessage(readPiece, { text: '', score: 0, type: NORMAL }))
  else if (tag === 2) reader.readMessage(readTrainer, model)
  else if (tag === 3) reader.readMessage(readNormalizer, model)
}

function readPiece(tag: number, piece: SentencePieceModel['pieces'][number], reader: PbfReader): void {
  if (tag === 1) piece.text = reader.readString()
  else if (tag === 2) piece.score = reader.readFloat()
  else if (tag === 3) piece.type = reader.readVarint()
}

function readTrainer(tag: number, model: Fields, reader: PbfReader): void {
  if (tag === 3) model.modelType = reader.readVarint()
  else if (tag === 24) model.spaceAsSuffix = reader.readBoolean()
}

function readNormalizer(tag: number, model: Fields, reader: PbfReader): void {
  if (tag === 1) model.normalizer = reader.readString()
  else if (tag === 2) model.charsMap = reader.readBytes()
  else if (tag === 3) model.addDummyPrefix = reader.readBoolean()
  else if (tag === 4) model.mergesSpaces = reader.readBoolean()
}
