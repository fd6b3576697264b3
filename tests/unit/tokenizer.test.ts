import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ArgumentError, FormatError, UnsupportedError } from '../../js/errors.ts'
import type { Metadata, MetadataValue } from '../../js/gguf/types.ts'
import { createTokenizer } from '../../js/tokenizer/tokenizer.ts'
import type { CriaWarning } from '../../js/util/warn.ts'

const NORMAL = 1
const UNKNOWN = 2
const CONTROL = 3
const USER_DEFINED = 4
const BYTE = 6

type Token = [text: string, type?: number, score?: number]

function metadataOf(model: string, tokens: Token[], more: Record<string, MetadataValue> = {}): Metadata {
  return new Map<string, MetadataValue>(
    Object.entries({
      model,
      tokens: tokens.map(([text]) => text),
      token_type: Int32Array.from(tokens, ([, type]) => type ?? NORMAL),
      scores: Float32Array.from(tokens, ([, , score]) => score ?? 0),
      ...more,
    }).map(([key, value]) => [key.includes('.') ? key : `tokenizer.ggml.${key}`, value]),
  )
}

const HEX = Array.from({ length: 256 }, (_, byte): Token => {
  return [`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, BYTE]
})
/** Ids: 0 to 2 special, 3 to 258 bytes, then these. */
const PIECES: Token[] = [
  ['▁', NORMAL, -4],
  ['a', NORMAL, -5],
  ['b', NORMAL, -6],
  ['c', NORMAL, -7],
  ['ab', NORMAL, -2],
  ['bc', NORMAL, -1],
  ['aa', NORMAL, -3],
  ['▁a', NORMAL, -3],
  ['▁▁', NORMAL, -2],
  ['[x]', USER_DEFINED],
]
const SPM_TOKENS: Token[] = [['<unk>', UNKNOWN], ['<s>', CONTROL], ['</s>', CONTROL], ...HEX, ...PIECES]
const spm = (more: Record<string, MetadataValue> = {}) => createTokenizer(metadataOf('llama', SPM_TOKENS, more))

/** The 256 characters of a byte-level vocabulary, in the order of their bytes. */
const BYTES = Array.from({ length: 256 }, (_, byte): Token => {
  const seen = (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173)
  const unseen = byte <= 32 ? byte : byte <= 160 ? byte - 127 + 33 : 67
  return [String.fromCharCode(seen ? byte : 256 + unseen)]
})
const MERGES = ['a b', 'ab c', 'Ġ a', 'b c', 'a a', 'aa aa', 'a b']
const BPE_TOKENS: Token[] = [
  ...BYTES,
  ...[...new Set(MERGES)].map((merge): Token => [merge.replace(' ', '')]),
  ['<|begin|>', CONTROL],
  ['<|im_end|>', CONTROL],
  ['<|im_end|>>', CONTROL],
  ['  ', USER_DEFINED],
  ['[tool]', USER_DEFINED],
]
const bpeId = (text: string) => BPE_TOKENS.findIndex(([token]) => token === text)
const BPE_MORE = { merges: MERGES, bos_token_id: bpeId('<|begin|>') }
const bpe = (more: Record<string, MetadataValue> = {}) =>
  createTokenizer(metadataOf('gpt2', BPE_TOKENS, { ...BPE_MORE, pre: 'gpt-2', ...more }))

function texts(tokenizer: ReturnType<typeof createTokenizer>, ids: number[]): string {
  return ids.map((id) => tokenizer.tokenText(id)).join('|')
}

function throwsTyped(run: () => unknown, Class: new (...args: never[]) => Error, code: string, value?: unknown): void {
  try {
    run()
  } catch (error) {
    assert.instance(error, Class)
    assert.is((error as FormatError).code, code)
    if (value !== undefined) assert.equal((error as FormatError).value, value)
    return
  }
  assert.unreachable(`expected ${code}`)
}

/** A function for warnings, and the codes of those that it heard. */
function heard(): { warnings: string[]; warn: (warning: CriaWarning) => void } {
  const warnings: string[] = []
  return { warnings, warn: ({ code }) => void warnings.push(code) }
}

test('SentencePiece: the best score joins first, the leftmost of equals', () => {
  const tokenizer = spm()
  assert.is(texts(tokenizer, tokenizer.tokenize('abc', { bos: false })), '▁a|bc')
  assert.is(texts(tokenizer, tokenizer.tokenize('ab', { bos: false })), '▁|ab')
  assert.is(texts(tokenizer, tokenizer.tokenize('baaa', { bos: false })), '▁|b|aa|a')
  assert.is(texts(tokenizer, tokenizer.tokenize('é', { bos: false })), '▁|<0xC3>|<0xA9>')
})

test('SentencePiece: BOS, EOS and the space before a text', () => {
  assert.is(texts(spm(), spm().tokenize('a')), '<s>|▁a')
  assert.is(texts(spm(), spm().tokenize('')), '<s>')
  assert.is(texts(spm(), spm({ add_bos_token: false }).tokenize('a')), '▁a')
  assert.is(texts(spm(), spm({ add_bos_token: false }).tokenize('a', { bos: true })), '<s>|▁a')
  assert.is(texts(spm(), spm({ add_eos_token: true }).tokenize('a')), '<s>|▁a|</s>')
  assert.is(texts(spm(), spm({ add_eos_token: true }).tokenize('a', { bos: false })), '▁a')
  assert.is(texts(spm(), spm({ add_space_prefix: false }).tokenize('a a')), '<s>|a|▁a')
  // After a special token a text begins anew.
  assert.is(texts(spm(), spm().tokenize('a</s>b[x]c')), '<s>|▁a|</s>|▁|b|[x]|▁|c')
})

test('SentencePiece: the text comes back, but for the space that was added', () => {
  const tokenizer = spm()
  for (const text of ['', 'a', ' a', '  a', 'a  ', 'é😀\ufeff', '\0', 'a\nb', ' ', '[x]', ' [x]']) {
    assert.is(tokenizer.detokenize(tokenizer.tokenize(text)), text, JSON.stringify(text))
    assert.is(tokenizer.detokenize(tokenizer.tokenize(text, { bos: false })), text, JSON.stringify(text))
  }
  const ids = tokenizer.tokenize('a', { bos: false })
  assert.is(tokenizer.detokenize(ids, { continued: true }), ' a')
  assert.is(tokenizer.detokenize([...ids, ...ids]), 'a a')
  assert.is(tokenizer.detokenize(tokenizer.tokenize('a</s>'), { special: true }), '<s>a</s>')
})

test('byte-level: the first merge goes first, and of two equal merges the first counts', () => {
  const tokenizer = bpe()
  assert.is(texts(tokenizer, tokenizer.tokenize('abc')), 'abc')
  assert.is(texts(tokenizer, tokenizer.tokenize('bc bc')), 'bc|Ġ|bc')
  assert.is(texts(tokenizer, tokenizer.tokenize('aaaaaaa')), 'aaaa|aa|a')
  assert.is(texts(tokenizer, tokenizer.tokenize(' ab')), 'Ġ|ab')
  // SentencePiece's flag adds nothing here.
  assert.is(texts(tokenizer, bpe({ add_space_prefix: true }).tokenize('ab')), 'ab')
})

test('byte-level: BOS as the metadata and the pre-tokenizer say', () => {
  assert.is(texts(bpe(), bpe().tokenize('a')), 'a')
  assert.is(texts(bpe(), bpe({ add_bos_token: true }).tokenize('a')), '<|begin|>|a')
  assert.is(texts(bpe(), bpe({ pre: 'llama-bpe' }).tokenize('a')), '<|begin|>|a')
  assert.is(texts(bpe(), bpe({ pre: 'llama-bpe', add_bos_token: false }).tokenize('a')), 'a')
  // llama.cpp has token 11 in the place of one that no key names, but for GLM's vocabularies.
  const { warnings, warn } = heard()
  const none = createTokenizer(metadataOf('gpt2', BPE_TOKENS, { merges: MERGES, pre: 'llama-bpe' }), warn)
  assert.equal([none.bos, none.eos], [11, 11])
  assert.equal(none.tokenize('a'), [11, bpeId('a')])
  assert.equal(warnings, ['TOKEN_ID', 'TOKEN_ID'])
  const glm = createTokenizer(metadataOf('gpt2', BPE_TOKENS, { merges: MERGES, pre: 'glm4' }))
  assert.is(texts(glm, glm.tokenize('a')), 'a')
  throwsTyped(() => glm.tokenize('a', { bos: true }), ArgumentError, 'NO_BOS')
})

test('byte-level: a word that is a token stays whole where the pre-tokenizer says so', () => {
  const tokens: Token[] = [...BPE_TOKENS, ['xyz']]
  const of = (pre: string) => createTokenizer(metadataOf('gpt2', tokens, { ...BPE_MORE, pre }))
  assert.is(texts(of('llama-bpe'), of('llama-bpe').tokenize('xyz', { bos: false })), 'xyz')
  assert.is(texts(of('gpt-2'), of('gpt-2').tokenize('xyz')), 'x|y|z')
})

test('special tokens: the longest wins; control tokens only if asked for, user-defined ones always', () => {
  const tokenizer = bpe()
  assert.is(texts(tokenizer, tokenizer.tokenize('a<|im_end|>>b<|im_end|>')), 'a|<|im_end|>>|b|<|im_end|>')
  const plain = tokenizer.tokenize('<|im_end|>[tool]', { special: false })
  assert.not.ok(plain.includes(bpeId('<|im_end|>')))
  assert.is(plain.at(-1), bpeId('[tool]'))
  assert.is(texts(tokenizer, tokenizer.tokenize('     ', { special: false })), '  |  |Ġ')
  const ids = [bpeId('a'), bpeId('<|im_end|>'), bpeId('[tool]')]
  assert.is(tokenizer.detokenize(ids), 'a[tool]')
  assert.is(tokenizer.detokenize(ids, { special: true }), 'a<|im_end|>[tool]')
  assert.equal(tokenizer.tokenBytes(bpeId('<|im_end|>')), new Uint8Array())
})

test('special tokens that overlap: the longer, then the one to the left', () => {
  const special: Token[] = [
    ['abc', CONTROL],
    ['cdef', CONTROL],
    ['efg', CONTROL],
    ['e', USER_DEFINED],
    ['xyx', CONTROL],
  ]
  const tokens: Token[] = [...BYTES, ...special]
  const tokenizer = createTokenizer(metadataOf('gpt2', tokens, { merges: [] }))
  assert.is(texts(tokenizer, tokenizer.tokenize('abcdefg')), 'a|b|cdef|g')
  assert.is(texts(tokenizer, tokenizer.tokenize('abcd.efg')), 'abc|d|.|efg')
  assert.is(texts(tokenizer, tokenizer.tokenize('xyxyx')), 'xyx|y|x')
  assert.is(texts(tokenizer, tokenizer.tokenize('abcdef', { special: false })), 'a|b|c|d|e|f')
})

test("Phi-3's special tokens swallow the white space after them", () => {
  const of = (name: string) => spm({ 'general.name': name })
  assert.is(texts(spm(), of('Phi-3 mini').tokenize('</s> \n a')), '<s>|</s>|▁a')
  assert.is(texts(spm(), of('Phi-3 mini').tokenize('<s> a')), '<s>|<s>|▁▁|a')
  assert.is(texts(spm(), of('LLaMA').tokenize('</s> a')), '<s>|</s>|▁▁|a')
})

test('generation ends at EOS, EOT, EOM and tokens of known texts', () => {
  const tokens: Token[] = [...BYTES, ['<|eot_id|>'], ['<|eom_id|>', CONTROL], ['<stop>', CONTROL], ['<go>', CONTROL]]
  const more = { merges: [], eos_token_id: 258 }
  const tokenizer = createTokenizer(metadataOf('gpt2', tokens, more))
  const ends = tokens.map((_, id) => id).filter((id) => tokenizer.isEndOfGeneration(id))
  assert.equal(ends, [256, 257, 258])
  assert.is(tokenizer.eot, 256)
  assert.is(tokenizer.eom, 257)
  // Known by its text, the first is a control token whatever its type.
  assert.is(tokenizer.detokenize([256, 97]), 'a')
  assert.equal(tokenizer.tokenize('<|eot_id|>'), [256])
  assert.ok(createTokenizer(metadataOf('gpt2', tokens, { ...more, eot_token_id: 259 })).isEndOfGeneration(259))
  assert.ok(bpe().isEndOfGeneration(bpeId('<|im_end|>')))
  assert.not.ok(bpe().isEndOfGeneration(-1))
})

test('where calls end an answer, <|end|> does not', () => {
  const tokens: Token[] = [...BYTES, ['<|end|>', CONTROL], ['<|return|>', CONTROL], ['<|call|>', CONTROL]]
  const tokenizer = createTokenizer(metadataOf('gpt2', tokens, { merges: [] }))
  assert.equal(
    [256, 257, 258].map((id) => tokenizer.isEndOfGeneration(id)),
    [false, true, true],
  )
  assert.is(tokenizer.detokenize([256]), '<|end|>')
})

test('a stream never emits half a character, and says what detokenize says', () => {
  const tokenizer = bpe()
  const stream = tokenizer.stream()
  const ids = tokenizer.tokenize('a😀é')
  assert.equal(
    ids.map((id) => stream.push(id)),
    ['a', '', '', '', '😀', '', 'é'],
  )
  assert.is(stream.flush(), '')
  const byte = (...bytes: number[]) => bytes.map((value) => bpeId(BYTES[value]![0]))
  for (const broken of [
    [0xf0, 0x9f],
    [0xff, 0x61],
    [0xe2, 0x28, 0xa1],
    [0xef, 0xbb, 0xbf, 0x61],
    [0x80, 0xc3],
  ]) {
    const expected = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(broken))
    const decoder = tokenizer.stream()
    const streamed = byte(...broken).map((id) => decoder.push(id))
    assert.is(streamed.join('') + decoder.flush(), expected)
    assert.is(tokenizer.detokenize(byte(...broken)), expected)
  }
})

test('lone surrogates are read as U+FFFD', () => {
  for (const tokenizer of [spm(), bpe()]) {
    assert.equal(tokenizer.tokenize('a\ud800b\udc00'), tokenizer.tokenize('a\ufffdb\ufffd'))
    assert.is(tokenizer.detokenize(tokenizer.tokenize('\udc00\ud800')), '\ufffd\ufffd')
    assert.equal(tokenizer.detokenize(tokenizer.tokenize('\ud83d\ude00')), '😀')
  }
})

test('bytes without a token: unknown in SentencePiece, left out of byte-level texts', () => {
  const tokens: Token[] = [['<unk>', UNKNOWN], ['<s>', CONTROL], ['</s>', CONTROL], ['▁'], ['a']]
  const without = createTokenizer(metadataOf('llama', tokens))
  assert.equal(without.tokenize('aé', { bos: false }), [3, 4, 0, 0])
  const few = createTokenizer(metadataOf('gpt2', [['a'], ['b']], { merges: ['a b'] }))
  assert.equal(few.tokenize('cab'), [0, 1])
})

test('ids out of range are refused', () => {
  for (const tokenizer of [spm(), bpe()]) {
    for (const id of [-1, tokenizer.vocabularySize, 0.5, Number.NaN]) {
      throwsTyped(() => tokenizer.detokenize([id]), ArgumentError, 'TOKEN_ID', id)
      throwsTyped(() => tokenizer.tokenBytes(id), ArgumentError, 'TOKEN_ID', id)
      throwsTyped(() => tokenizer.tokenText(id), ArgumentError, 'TOKEN_ID', id)
      throwsTyped(() => tokenizer.stream().push(id), ArgumentError, 'TOKEN_ID', id)
    }
  }
})

test('unsound metadata is refused', () => {
  const without = (model: string, key: string) => {
    const metadata = new Map(metadataOf(model, model === 'llama' ? SPM_TOKENS : BPE_TOKENS, { merges: MERGES }))
    metadata.delete(`tokenizer.ggml.${key}`)
    return metadata
  }
  for (const [model, key] of [
    ['llama', 'model'],
    ['llama', 'tokens'],
    ['gpt2', 'tokens'],
    ['gpt2', 'merges'],
  ] as const) {
    throwsTyped(() => createTokenizer(without(model, key)), FormatError, 'TOKENIZER_METADATA', `tokenizer.ggml.${key}`)
  }
  createTokenizer(without('gpt2', 'scores'))
  createTokenizer(without('gpt2', 'token_type'))
  const wrong: [key: string, value: MetadataValue][] = [
    ['tokens', []],
    ['tokens', new Float32Array(3)],
    ['scores', new Float32Array(3)],
    ['scores', ['1']],
    ['scores', new BigInt64Array(SPM_TOKENS.length)],
    ['token_type', new Int32Array(SPM_TOKENS.length - 1)],
    ['bos_token_id', 1.5],
    ['eot_token_id', 'x'],
    ['fim_pad_token_id', 'x'],
    ['add_bos_token', 1],
    ['add_space_prefix', 'yes'],
    ['model', 3],
  ]
  for (const [key, value] of wrong) throwsTyped(() => spm({ [key]: value }), FormatError, 'TOKENIZER_METADATA')
  throwsTyped(() => bpe({ pre: 'glm4', add_eos_token: 1 }), FormatError, 'TOKENIZER_METADATA')
  const glm = metadataOf('gpt2', BPE_TOKENS, { merges: MERGES, pre: 'glm4', add_bos_token: true })
  throwsTyped(() => createTokenizer(glm), FormatError, 'TOKENIZER_METADATA')
  throwsTyped(() => bpe({ pre: 7 }), FormatError, 'TOKENIZER_METADATA')
  throwsTyped(() => spm({ model: 'bert' }), UnsupportedError, 'TOKENIZER_MODEL', 'bert')
  throwsTyped(() => spm({ model: 'toString' }), UnsupportedError, 'TOKENIZER_MODEL')
  throwsTyped(() => bpe({ pre: 'gemma4' }), UnsupportedError, 'TOKENIZER_PRE', 'gemma4')
})

test('fill-in-the-middle tokens are known by their text only where the metadata name none', () => {
  const tokens: Token[] = [...BYTES, ['<PRE>'], ['<MID>'], ['<PAD>'], ['<x>', CONTROL]]
  const of = (more: Record<string, MetadataValue>) =>
    createTokenizer(metadataOf('gpt2', tokens, { merges: [], ...more }))
  assert.is(of({}).detokenize([256, 257, 258]), '')
  assert.ok(of({}).isEndOfGeneration(258))
  for (const keys of [
    ['fim_pre', 'fim_mid', 'fim_pad'],
    ['prefix', 'middle', 'fim_pad'],
  ]) {
    const named = of(Object.fromEntries(keys.map((key) => [`${key}_token_id`, 259])))
    assert.is(named.detokenize([256, 257, 258]), '<PRE><MID><PAD>')
    assert.equal(
      [258, 259].map((id) => named.isEndOfGeneration(id)),
      [false, true],
    )
    // An id beyond the vocabulary names nothing.
    assert.is(of(Object.fromEntries(keys.map((key) => [`${key}_token_id`, 260]))).detokenize([256, 257, 258]), '')
  }
})

test('ids beyond the vocabulary give way to those of the tokenizer model, with a warning', () => {
  const { length } = SPM_TOKENS
  for (const id of [-1, length, 4294967295]) {
    for (const [key, usual] of [
      ['bos', 1],
      ['eos', 2],
      ['unknown', 0],
      ['eot', undefined],
      ['eom', undefined],
      ['padding', undefined],
      ['seperator', undefined],
      ['mask', undefined],
      ['fim_pre', undefined],
      ['middle', undefined],
    ] as const) {
      const { warnings, warn } = heard()
      const name = `${key}_token_id`
      const tokenizer = createTokenizer(metadataOf('llama', SPM_TOKENS, { [name]: id }), warn)
      assert.equal(warnings, ['TOKEN_ID'], `${key} ${id}`)
      const { bos, eos, eot, eom, unk: unknown, pad: padding, sep: seperator } = tokenizer
      const read: Record<string, number | undefined> = { bos, eos, eot, eom, unknown, padding, seperator }
      assert.is(read[key], usual)
      assert.is(tokenizer.isEndOfGeneration(2), true)
    }
  }
  assert.is(spm({ padding_token_id: 0 }).pad, 0)
  throwsTyped(() => spm({ padding_token_id: 'x' }), FormatError, 'TOKENIZER_METADATA')
  // A default that the vocabulary does not have is none.
  const few = createTokenizer(metadataOf('gpt2', [['a'], ['b']], { merges: ['a b'], eos_token_id: 9 }))
  assert.is(few.eos, undefined)
})

test('scores: none count as equal, spare ones are not read, and so with types', () => {
  const metadata = new Map(metadataOf('llama', SPM_TOKENS))
  metadata.delete('tokenizer.ggml.scores')
  const without = createTokenizer(metadata)
  assert.is(texts(without, without.tokenize('baaa', { bos: false })), '▁|b|aa|a')
  const { length } = SPM_TOKENS
  const scores = Float32Array.from({ length: length + 3 }, (_, id) => SPM_TOKENS[id]?.[2] ?? 0)
  const types = Int32Array.from({ length: length + 2 }, (_, id) => SPM_TOKENS[id]?.[1] ?? NORMAL)
  const spare = spm({ scores, token_type: types })
  for (const text of ['abc', 'baaa', 'é a</s>b[x]c']) assert.equal(spare.tokenize(text), spm().tokenize(text))
})

test('tokens that are never to be generated', () => {
  const tokenizer = spm({ suppress_tokens: Int32Array.of(5, -1, 9999) })
  assert.equal([...tokenizer.banned()], [5])
  assert.equal([...tokenizer.banned(true)], [5, 2])
  throwsTyped(() => spm({ suppress_tokens: 5 }), FormatError, 'TOKENIZER_METADATA')
})

test('an absent pre-tokenizer is the default one, with a warning', () => {
  const { warnings, warn } = heard()
  const named = { ...BPE_MORE, eos_token_id: bpeId('<|im_end|>') }
  const absent = createTokenizer(metadataOf('gpt2', BPE_TOKENS, named), warn)
  assert.equal(warnings, ['TOKENIZER_PRE'])
  createTokenizer(metadataOf('gpt2', BPE_TOKENS, { ...named, pre: 'default' }), warn)
  createTokenizer(metadataOf('llama', SPM_TOKENS), warn)
  assert.is(warnings.length, 1)
  assert.equal(absent.tokenize("ab's 1234..."), bpe({ pre: 'default' }).tokenize("ab's 1234..."))
})

test('empty and repeated tokens do no harm', () => {
  const tokens: Token[] = [...BYTES, ['', CONTROL], ['a'], ['<x>', CONTROL], ['<x>', CONTROL], ['']]
  const { warnings, warn } = heard()
  const more = { merges: ['', ' ', 'a', ' a', 'a '], pre: 'gpt-2', eos_token_id: 258 }
  const tokenizer = createTokenizer(metadataOf('gpt2', tokens, more), warn)
  assert.equal(warnings, ['TOKENS_EMPTY'])
  // As llama.cpp calls it.
  assert.is(tokenizer.detokenize([260]), '[EMPTY_260]')
  assert.equal(tokenizer.tokenize('a<x>'), [97, 258])
  assert.is(tokenizer.detokenize([256, 257, 259]), 'a')
})

test.run()
