/** SentencePiece's unigram models: ids are llama.cpp's, and `convert` takes them from tokenizer.model and tokenizer.json. */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { convertHuggingFace } from '../../js/convert/huggingface.ts'
import { readSentencePiece } from '../../js/convert/sentencepiece.ts'
import { describeUnigram } from '../../js/convert/unigram.ts'
import { FormatError, UnsupportedError } from '../../js/errors.ts'
import type { Metadata, MetadataValue } from '../../js/gguf/types.ts'
import { createTokenizer } from '../../js/tokenizer/tokenizer.ts'
import type { CriaWarning } from '../../js/util/warn.ts'
import { concat, read, rejects } from '../gguf-helpers.ts'

const FIXTURES = new URL('../fixtures/', import.meta.url).pathname
const { texts, ids } = JSON.parse(readFileSync(`${FIXTURES}unigram/ids.json`, 'utf8')) as {
  texts: string[]
  /** llama.cpp's ids, and SentencePiece's where they differ. */
  ids: Record<string, [number[], number[]?][]>
}

function modelOf(name: string) {
  return readSentencePiece(readFileSync(`${FIXTURES}unigram/${name}.model`), name)
}

/** The metadata that `convert` writes of a tokenizer.model. */
function metadataOf(name: string): Metadata {
  const { pieces, addDummyPrefix, ...model } = modelOf(name)
  const tokens = {
    texts: pieces.map(({ text }) => text),
    scores: Float32Array.from(pieces, ({ score }) => score),
    types: Int32Array.from(pieces, ({ type }) => (type === 4 ? 1 : type)),
  }
  const entries = describeUnigram({ ...model, tokens, addsPrefix: addDummyPrefix }, () => {})
  const special = [
    ['bos', 1],
    ['eos', 2],
    ['unknown', 0],
  ].map(([part, id]): [string, MetadataValue] => [`tokenizer.ggml.${part}_token_id`, id!])
  return new Map([...entries.map(({ key, value }) => [key, value as MetadataValue] as const), ...special])
}

for (const [name, rows] of Object.entries(ids)) {
  test(`${name}: the ids of texts are llama.cpp's`, () => {
    const tokenizer = createTokenizer(metadataOf(name))
    assert.is(tokenizer.kind, 'ugm')
    for (const [i, text] of texts.entries()) {
      assert.equal(tokenizer.tokenize(text, { bos: false }), rows[i]![0], JSON.stringify(text))
    }
    assert.ok(rows.some(([llamacpp, sentencepiece]) => llamacpp.length > 3 && !sentencepiece))
  })
}

test('EOS is put behind a text unless the file says otherwise; unknown tokens, spaces and bytes come back', () => {
  const metadata = metadataOf('merging')
  const tokenizer = createTokenizer(metadata)
  assert.is(tokenizer.tokenize('a').at(-1), 2)
  const none = new Map([...metadata, ['tokenizer.ggml.add_eos_token', false] as const])
  assert.not.equal(createTokenizer(none).tokenize('a').at(-1), 2)
  assert.is(tokenizer.detokenize(tokenizer.tokenize('Speak,  speak. ', { bos: false })), 'Speak, speak.')
  assert.is(tokenizer.detokenize(tokenizer.tokenize('ﬁ ½', { bos: false })), 'fi 1⁄2')
  assert.equal(tokenizer.tokenize('語語', { bos: false }), [...tokenizer.tokenize('語', { bos: false })])
})

test('a map of characters that is damaged is refused, or replaces nothing', () => {
  const metadata = metadataOf('merging')
  const key = 'tokenizer.ggml.precompiled_charsmap'
  const map = metadata.get(key) as Uint8Array
  for (const wrong of ['x', new Float32Array(9), map.subarray(0, 3), Uint8Array.of(255, 255, 255, 255, 0)]) {
    assert.throws(
      () => createTokenizer(new Map([...metadata, [key, wrong] as const])).tokenize('a'),
      (error: unknown) => error instanceof FormatError && error.code === 'TOKENIZER_METADATA',
    )
  }
  const signed = new Int8Array(map.buffer, map.byteOffset, map.length)
  const tokenizer = createTokenizer(new Map([...metadata, [key, signed] as const]))
  assert.is(tokenizer.detokenize(tokenizer.tokenize('ﬁ', { bos: false })), 'fi')
  for (let i = 4; i < map.length; i += 97) {
    const damaged = map.slice()
    damaged[i] = damaged[i]! ^ 255
    for (const text of texts) createTokenizer(new Map([...metadata, [key, damaged] as const])).tokenize(text)
  }
})

type Files = Map<string, Uint8Array>

/** The folder Tiny-Llama with another tokenizer. */
function folder(files: Record<string, Uint8Array>): Files {
  const kept = ['config.json', 'model.safetensors', 'tokenizer_config.json']
  const settings = Buffer.from(JSON.stringify({ add_bos_token: true }))
  return new Map([
    ...kept.map((file) => [file, readFileSync(`${FIXTURES}huggingface/Tiny-Llama/${file}`)] as const),
    ['tokenizer_config.json', settings],
    ...Object.entries(files),
  ])
}

test('convert writes the vocabulary of tokenizer.model, and the same of tokenizer.json', async () => {
  const warnings: CriaWarning[] = []
  const options = { outtype: 'f32', onWarning: (warning: CriaWarning) => void warnings.push(warning) } as const
  const bytes = (name: string) => readFileSync(`${FIXTURES}unigram/${name}`)
  const model = await read(
    await concat(convertHuggingFace(folder({ 'tokenizer.model': bytes('merging.model') }), options)),
  )
  const json = await read(
    await concat(convertHuggingFace(folder({ 'tokenizer.json': bytes('merging.tokenizer.json') }), options)),
  )
  assert.equal(warnings, [])
  for (const { metadata } of [model, json]) {
    assert.is(metadata.get('tokenizer.ggml.model'), 't5')
    assert.is(metadata.get('tokenizer.ggml.add_bos_token'), true)
    assert.is(metadata.get('tokenizer.ggml.add_eos_token'), false)
    assert.is(metadata.get('tokenizer.ggml.unknown_token_id'), 0)
    const tokenizer = createTokenizer(metadata)
    for (const [i, text] of texts.entries()) {
      // tokenizers has no control tokens of its own.
      if (text === '</s>') continue
      assert.equal(tokenizer.tokenize(text), [1, ...ids.merging![i]![0]], JSON.stringify(text))
    }
  }
})

test('tokens for bytes are told of; what GGUF cannot say is refused', async () => {
  const warnings: CriaWarning[] = []
  const { pieces, ...model } = modelOf('bytes')
  const types = Int32Array.from(pieces, ({ type }) => type)
  const tokens = { texts: pieces.map(({ text }) => text), scores: new Float32Array(pieces.length), types }
  describeUnigram({ ...model, tokens, addsPrefix: true }, (warning) => void warnings.push(warning))
  assert.equal(
    warnings.map(({ code }) => code),
    ['BYTE_TOKENS'],
  )
  const changed = (change: (json: Record<string, unknown>) => void): Files => {
    const json = JSON.parse(readFileSync(`${FIXTURES}unigram/merging.tokenizer.json`, 'utf8')) as Record<
      string,
      unknown
    >
    change(json)
    return folder({ 'tokenizer.json': Buffer.from(JSON.stringify(json)) })
  }
  const convert = (files: Files) => concat(convertHuggingFace(files, { onWarning: () => {} }))
  await rejects(
    convert(changed((json) => Object.assign(json, { pre_tokenizer: { type: 'Digits' } }))),
    UnsupportedError,
    'HF_PRE_TOKENIZER',
  )
  await rejects(
    convert(changed((json) => Object.assign(json.model as object, { vocab: [] }))),
    FormatError,
    'HF_TOKENIZER',
  )
  await rejects(
    convert(changed((json) => Object.assign(json.model as object, { vocab: [['a', 'b']] }))),
    FormatError,
    'HF_TOKENIZER',
  )
  const normalizer = { type: 'Precompiled', precompiled_charsmap: '§' }
  await rejects(convert(changed((json) => Object.assign(json, { normalizer }))), FormatError, 'HF_TOKENIZER')
})

test.run()
