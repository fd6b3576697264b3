/** What `cria convert` makes of the vocabularies of LLaMA's kin: names, types and parts of tokens, as llama.cpp's converter. */
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Folder } from '../../js/convert/folder.ts'
import { findPreTokenizer } from '../../js/convert/hf-pretokenizer.ts'
import { describeVocabulary } from '../../js/convert/hf-vocabulary.ts'
import { preTokenizer } from '../../js/tokenizer/pretokenizers.ts'
import { createTokenizer } from '../../js/tokenizer/tokenizer.ts'
import type { Json } from '../../js/util/json.ts'

const KIN = new URL('../fixtures/huggingface-kin/', import.meta.url)
type Plain = string | number | boolean | string[] | number[]
interface Kin {
  models: Record<string, { vocabulary: string; metadata: Record<string, Plain | { array: string }> }>
  arrays: Record<string, Plain>
}
const kin: Kin = JSON.parse(readFileSync(new URL('expected.json', KIN), 'utf8'))

/** What llama.cpp writes and no model of these architectures makes use of. */
const LEFT_OUT = ['tokenizer.ggml.add_sep_token']

for (const [name, { vocabulary, metadata }] of Object.entries(kin.models)) {
  test(`${name}: the vocabulary's metadata are llama.cpp's, in its order`, async () => {
    const want = Object.entries(metadata)
      .filter(([key]) => key.startsWith('tokenizer.') && !LEFT_OUT.includes(key))
      .map(
        ([key, value]) =>
          [key, value instanceof Object && 'array' in value ? kin.arrays[value.array]! : value] as const,
      )
    const tokens = want.find(([key]) => key === 'tokenizer.ggml.tokens')![1] as string[]
    const own = new URL(`${name}/`, KIN)
    const files: Record<string, Uint8Array> = {}
    for (const folder of [new URL(`vocabularies/${vocabulary}/`, KIN), own]) {
      for (const file of readdirSync(folder)) files[file] = readFileSync(new URL(file, folder))
    }
    for (const file of readdirSync(own).filter((each) => each.startsWith('config'))) {
      const config = JSON.parse(readFileSync(new URL(file, own), 'utf8')) as Json
      const got = await describe(files, config, tokens.length)
      assert.equal(
        [...got.metadata.keys()],
        want.map(([key]) => key),
        file,
      )
      for (const [key, value] of want) {
        const mine = got.metadata.get(key)
        // The fixture's converter is told the name of the expression, and not whose it is.
        if (key === 'tokenizer.ggml.pre' && vocabulary === 'bpe') {
          assert.is(preTokenizer(String(mine)), preTokenizer(String(value)), `${file}: ${key}`)
        } else assert.equal(ArrayBuffer.isView(mine) ? floats(mine) : mine, floats(value), `${file}: ${key}`)
      }
    }
  })
}

/** Numbers as f32 has them, anything else as it is. */
function floats(value: unknown): unknown {
  const list = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>) : undefined
  return list && typeof list[0] === 'number' ? list.map((item) => Math.fround(Number(item))) : value
}

type Added = [text: string, special?: boolean]

const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
const words = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true }
const digits = { type: 'Digits', individual_digits: true }
const split = (Regex: string, more = {}) => ({
  type: 'Split',
  pattern: { Regex },
  behavior: 'Isolated',
  invert: false,
  ...more,
})
const sequence = (...pretokenizers: unknown[]) => ({ type: 'Sequence', pretokenizers })

const END = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
const CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const WORD = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+'
const QWEN2 = `${CONTRACTION}|${WORD}|\\p{N}|${END}`
const CL100K = `${CONTRACTION}|${WORD}|\\p{N}{1,3}|${END}`
const KEPT = { behavior: 'Removed', invert: true }

/** tokenizer.json with the tokens of all bytes, one merge, and added tokens from 257 on. */
function tokenizerJson(added: Added[], more: Json = {}): Json {
  const vocab: Record<string, number> = {}
  let unseen = 0x100
  for (let byte = 0; byte < 256; byte++) {
    const seen = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
    vocab[String.fromCharCode(seen ? byte : unseen++)] = byte
  }
  return {
    model: { type: 'BPE', vocab: { ...vocab, ab: 256 }, merges: [['a', 'b']] },
    pre_tokenizer: sequence(split(QWEN2), bytes),
    added_tokens: added.map(([content, special = true], i) => ({ id: 257 + i, content, special })),
    ...more,
  }
}

interface Described {
  metadata: Map<string, unknown>
  warnings: string[]
  /** `tokenizer.ggml.` and what follows, in order; without arrays. */
  parts: [string, unknown][]
}

async function describe(files: Record<string, unknown>, config: Json, vocabulary = 300): Promise<Described> {
  const encode = (value: unknown) =>
    value instanceof Uint8Array
      ? value
      : new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
  const folder = new Folder(new Map(Object.entries(files).map(([name, value]) => [name, encode(value)])))
  const warnings: string[] = []
  const entries = await describeVocabulary(folder, config, { vocabulary, warn: ({ code }) => warnings.push(code) })
  await folder.close()
  const scalars = entries.filter(({ type }) => type !== 'array')
  return {
    metadata: new Map(entries.map(({ key, value }) => [key, value])),
    warnings,
    parts: scalars.map(({ key, value }) => [key.replace('tokenizer.ggml.', ''), value]),
  }
}

const of = (architecture: string, more: Json = {}): Json => ({ architectures: [architecture], ...more })
const text = (text: string) => text.split(' ')

const CASED =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+#|' +
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*#|@| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|' +
  '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
const cased = (suffix: string, numbers: string) => CASED.replaceAll('#', suffix).replace('@', numbers)
const HUNYUAN = sequence(
  split('\\p{N}{1,3}'),
  split('[一-龥\u3040-ゟ゠-ヿ]+'),
  split(
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|' +
      '\\s*[\r\n]+|\\s+(?!\\S)|\\s+',
  ),
  bytes,
)

/** pre_tokenizers as the families' tokenizer.json have them, and what llama.cpp's converter calls them. */
const FAMILIES: [architecture: string, name: string, pre: unknown, ignoreMerges?: boolean][] = [
  ['LlamaForCausalLM', 'llama-bpe', sequence(split(CL100K), bytes), true],
  ['SmolLM3ForCausalLM', 'llama-bpe', sequence(split(CL100K), bytes), true],
  ['ArceeForCausalLM', 'llama-bpe', sequence(split(CL100K), bytes), true],
  ['LlamaForCausalLM', 'smollm', sequence(digits, words)],
  [
    'LlamaForCausalLM',
    'deepseek-llm',
    sequence(
      ...['[\r\n]', '\\s?[A-Za-zµÀ-ÖØ-ö]+'].map((e) => split(e)),
      split('\\s?[!-/:-~！-／：-～‘-‟　-。]+'),
      split('\\s+$'),
      split('[一-龥ࠀ-一가-퟿]+'),
      digits,
      bytes,
    ),
  ],
  ['Qwen2ForCausalLM', 'qwen2', sequence(split(QWEN2), bytes)],
  ['Qwen3ForCausalLM', 'qwen2', sequence(split(QWEN2), bytes)],
  ['Qwen3MoeForCausalLM', 'qwen2', sequence(split(QWEN2), bytes)],
  [
    'Qwen3_5ForCausalLM',
    'qwen35',
    sequence(
      split(QWEN2.replace('\\p{L}+|', '[\\p{L}\\p{M}]+|').replace('\\s\\p{L}\\p{N}]+[', '\\s\\p{L}\\p{M}\\p{N}]+[')),
      bytes,
    ),
  ],
  ['StableLmForCausalLM', 'stablelm2', sequence(split(QWEN2, KEPT), bytes)],
  [
    'BailingMoeForCausalLM',
    'qwen2',
    sequence(
      split(
        "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
      ),
      bytes,
    ),
  ],
  ['GraniteForCausalLM', 'refact', sequence(digits, words)],
  ['GraniteMoeForCausalLM', 'refact', sequence(digits, words)],
  ['GraniteForCausalLM', 'dbrx', sequence(split(CL100K), bytes)],
  ['Olmo2ForCausalLM', 'dbrx', sequence(split(CL100K, KEPT), bytes)],
  ['Olmo3ForCausalLM', 'dbrx', sequence(split(CL100K, KEPT), bytes)],
  ['OlmoeForCausalLM', 'olmo', words],
  ['Exaone4ForCausalLM', 'exaone4', words],
  [
    'ExaoneMoeForCausalLM',
    'exaone-moe',
    sequence(
      split(
        `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`,
      ),
      bytes,
    ),
  ],
  ['Glm4ForCausalLM', 'glm4', sequence(split(CL100K), bytes), true],
  ['Glm4ForCausalLM', 'chatglm-bpe', sequence(split(CL100K), bytes)],
  ['Phi3ForCausalLM', 'gpt-4o', sequence(split(cased(`${CONTRACTION}?`, '\\p{N}{1,3}'), KEPT), bytes)],
  ['Phi3ForCausalLM', 'dbrx', sequence(split(CL100K, KEPT), bytes)],
  ['GptOssForCausalLM', 'gpt-4o', sequence(split(cased(`${CONTRACTION}?`, '\\p{N}{1,3}')), bytes)],
  ['MistralForCausalLM', 'tekken', sequence(split(cased('', '\\p{N}')), bytes)],
  [
    'SeedOssForCausalLM',
    'seed-coder',
    sequence(
      split(
        `${CONTRACTION}|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+`,
      ),
      bytes,
    ),
  ],
  ['HunYuanDenseV1ForCausalLM', 'hunyuan-dense', HUNYUAN],
  ['DeepseekV3ForCausalLM', 'deepseek-v3', HUNYUAN],
  [
    'MiniCPMForCausalLM',
    'minicpm5',
    sequence(split('\\p{N}{1,3}'), split(`${CONTRACTION}|${WORD}|\\p{N}+|${END}`), bytes),
  ],
]

for (const [architecture, name, pre_tokenizer, ignore_merges = false] of FAMILIES) {
  test(`${architecture}: a pre-tokenizer that llama.cpp calls ${name}`, () => {
    assert.is(findPreTokenizer({ pre_tokenizer, model: { ignore_merges } }, { architecture }), name)
    assert.is(preTokenizer(name)!.ignoreMerges === true, ignore_merges || name === 'tekken' || name === 'minicpm5')
  })
}

test("DeepSeek's distills of Qwen are known by their BOS", async () => {
  const added: Added[] = [['<｜begin▁of▁sentence｜>'], ['<｜end▁of▁sentence｜>']]
  const single = [{ SpecialToken: { id: '<｜begin▁of▁sentence｜>' } }, { Sequence: { id: 'A' } }]
  const tokenizer = tokenizerJson(added, { post_processor: { type: 'TemplateProcessing', single } })
  const settings = { bos_token: '<｜begin▁of▁sentence｜>', eos_token: { content: '<｜end▁of▁sentence｜>' } }
  const { parts } = await describe(
    { 'tokenizer.json': tokenizer, 'tokenizer_config.json': settings },
    of('Qwen2ForCausalLM'),
  )
  assert.equal(parts, [
    ['model', 'gpt2'],
    ['pre', 'deepseek-r1-qwen'],
    ['bos_token_id', 257],
    ['eos_token_id', 258],
    ['add_bos_token', true],
  ])
})

test('added tokens are control tokens or user-defined, and the rest of the vocabulary is unused', async () => {
  const added: Added[] = [
    ['<|im_end|>'],
    ['<tool_call>', false],
    ['<|fim_pad|>', false],
    ['<pad>', false],
    ['▁x', false],
  ]
  const { metadata } = await describe({ 'tokenizer.json': tokenizerJson(added) }, of('Qwen3ForCausalLM'), 264)
  const tokens = metadata.get('tokenizer.ggml.tokens') as string[]
  assert.equal(tokens.slice(256), [
    'ab',
    '<|im_end|>',
    '<tool_call>',
    '<|fim_pad|>',
    '<pad>',
    ' x',
    '[PAD262]',
    '[PAD263]',
  ])
  assert.equal(
    Array.from((metadata.get('tokenizer.ggml.token_type') as Int32Array).slice(255)),
    [1, 1, 3, 4, 3, 3, 4, 5, 5],
  )
  assert.equal(metadata.get('tokenizer.ggml.merges'), ['a b'])
})

/** Files, and the parts that tokens get beside model and pre. */
const PARTS: [
  what: string,
  config: Json,
  added: Added[],
  files: Record<string, unknown>,
  parts: Record<string, unknown>,
][] = [
  [
    'GLM-4: the user’s turn ends the answer',
    of('Glm4ForCausalLM', { eos_token_id: [257, 260, 261], pad_token_id: 257 }),
    text('<|endoftext|> [gMASK] <sop> <|user|> <|observation|>').map((token): Added => [token]),
    { 'tokenizer_config.json': { eos_token: '<|endoftext|>', pad_token: '<|endoftext|>' } },
    {
      eos_token_id: 257,
      padding_token_id: 257,
      eot_token_id: 260,
      unknown_token_id: 257,
      bos_token_id: 257,
      eom_token_id: 261,
    },
  ],
  [
    'Hunyuan: eod_token_id, and the first of the ends',
    of('HunYuanDenseV1ForCausalLM', { eos_token_id: 257, eod_token_id: 258, pad_token_id: 259 }),
    text('<｜hy_a｜> <｜hy_b｜> <｜hy_c｜> <｜hy_d｜>').map((token): Added => [token]),
    { 'generation_config.json': { eos_token_id: [260, 258] } },
    { eos_token_id: 258, padding_token_id: 259, eot_token_id: 260 },
  ],
  [
    'ends that are known by their text need no part',
    of('LlamaForCausalLM', { eos_token_id: [257, 258, 259] }),
    text('<|end_of_text|> <|eom_id|> <|eot_id|>').map((token): Added => [token]),
    { 'tokenizer_config.json': { eos_token: '<|eot_id|>', add_prefix_space: false } },
    { eos_token_id: 259 },
  ],
  [
    'a list of ends in the place of a name',
    of('Qwen3ForCausalLM', { text_config: { eos_token_id: [258, 257] } }),
    text('<a> <b>').map((token): Added => [token]),
    {},
    { eos_token_id: 258, eot_token_id: 257 },
  ],
  [
    'ids of the text model of several',
    of('Gemma3ForConditionalGeneration', { text_config: { bos_token_id: 257, pad_token_id: 400 } }),
    text('<bos>').map((token): Added => [token]),
    {},
    { bos_token_id: 257 },
  ],
]
for (const [what, config, added, files, expected] of PARTS) {
  test(`${what}`, async () => {
    const { parts, warnings, metadata } = await describe({ 'tokenizer.json': tokenizerJson(added), ...files }, config)
    const got = parts.filter(([key]) => key.endsWith('_token_id'))
    assert.equal(got, Object.entries(expected))
    assert.equal(warnings, [])
    const tokenizer = createTokenizer(metadata as Map<string, never>)
    for (const part of ['eos', 'eot', 'eom']) {
      const id = expected[`${part}_token_id`]
      if (id !== undefined) assert.ok(tokenizer.isEndOfGeneration(Number(id)), part)
    }
  })
}

test('a warning names the ends for which GGUF has no key', async () => {
  const added = text('<a> <b> <c> <d> <e>').map((token): Added => [token])
  const files = {
    'tokenizer.json': tokenizerJson(added),
    'generation_config.json': { eos_token_id: [257, 258, 259, 260, 261] },
  }
  const { parts, warnings } = await describe(files, of('Qwen3ForCausalLM'))
  assert.equal(
    parts.filter(([key]) => key.endsWith('_token_id')).map(([, id]) => id),
    [257, 258, 259],
  )
  assert.equal(warnings, ['EOS_TOKENS'])
})

test('chat_template.jinja counts where the settings have none', async () => {
  const files = { 'tokenizer.json': tokenizerJson([]), 'chat_template.jinja': '{{ a }}' }
  const { metadata } = await describe(files, of('SeedOssForCausalLM'))
  assert.is(metadata.get('tokenizer.chat_template'), '{{ a }}')
})

test('add_space_prefix stands where llama.cpp writes it', async () => {
  const files = { 'tokenizer.json': tokenizerJson([]), 'tokenizer_config.json': { add_prefix_space: false } }
  for (const [architecture, expected] of [
    ['GraniteForCausalLM', ['add_space_prefix', false]],
    ['Qwen3ForCausalLM', ['model', 'gpt2']],
  ] as const) {
    assert.equal((await describe(files, of(architecture))).parts[0], expected)
  }
})

/** A field of a protocol buffer: bytes, a number, a float. */
function field(number: number, value: Uint8Array | number | { float: number }): number[] {
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >> 7)])
  if (typeof value === 'number') return [...varint(number << 3), ...varint(value)]
  if (value instanceof Uint8Array) return [...varint((number << 3) | 2), ...varint(value.length), ...value]
  return [...varint((number << 3) | 5), ...new Uint8Array(Float32Array.of(value.float).buffer)]
}

/** A SentencePiece model of type BPE. */
function sentencePiece(pieces: [text: string, score: number, type: number][], addsPrefix: boolean): Uint8Array {
  const piece = ([text, score, type]: [string, number, number]) =>
    Uint8Array.from([...field(1, new TextEncoder().encode(text)), ...field(2, { float: score }), ...field(3, type)])
  return Uint8Array.from([
    ...pieces.flatMap((each) => field(1, piece(each))),
    ...field(2, Uint8Array.from(field(3, 2))),
    ...field(3, Uint8Array.from([...field(1, new TextEncoder().encode('identity')), ...field(3, addsPrefix ? 1 : 0)])),
  ])
}

const hexadecimal = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
const BYTES = Array.from({ length: 256 }, (_, byte): [string, number, number] => [hexadecimal(byte), 0, 6])
/** Gemma's vocabulary in small: runs of spaces and newlines are tokens, user-defined; 4 to 13, then the bytes. */
const GEMMA: [string, number, number][] = [
  ['<pad>', 0, 3],
  ['<eos>', 0, 3],
  ['<bos>', 0, 3],
  ['<unk>', 0, 2],
  ['<mask>', 0, 4],
  ['<start_of_turn>', 0, 4],
  ['<end_of_turn>', 0, 4],
  ['\n', 0, 4],
  ['\n\n', 0, 4],
  ['▁▁', 0, 4],
  ['▁▁▁', 0, 4],
  ['▁', -1, 1],
  ['a', -2, 1],
  ['▁a', -3, 1],
  ...BYTES,
]
const GEMMA_ADDED = Object.fromEntries(
  GEMMA.slice(0, 11).map(([content], id) => [id, { content, special: id < 4 || id === 5 || id === 6 }]),
)

for (const [architecture, tail] of [
  ['GemmaForCausalLM', [['eot_token_id', 107]]],
  ['Gemma2ForCausalLM', []],
  ['Gemma3ForCausalLM', []],
] as const) {
  test(`${architecture}: tokenizer.model, without a space first`, async () => {
    const settings = { bos_token: '<bos>', eos_token: '<eos>', add_bos_token: true, added_tokens_decoder: GEMMA_ADDED }
    const files = { 'tokenizer.model': sentencePiece(GEMMA, true), 'tokenizer_config.json': settings }
    const { parts, metadata, warnings } = await describe(
      files,
      of(architecture, { bos_token_id: 2, eos_token_id: 1 }),
      272,
    )
    assert.equal(warnings, [])
    assert.equal(parts, [
      ['model', 'llama'],
      ['pre', 'default'],
      ['bos_token_id', 2],
      ['eos_token_id', 1],
      ['add_bos_token', true],
      ...tail,
      ['add_space_prefix', false],
    ])
    assert.equal(
      Array.from((metadata.get('tokenizer.ggml.token_type') as Int32Array).slice(0, 15)),
      [3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 1, 1, 1, 6],
    )
    assert.equal((metadata.get('tokenizer.ggml.tokens') as string[]).slice(9), [
      '  ',
      '   ',
      '▁',
      'a',
      '▁a',
      ...BYTES.map(([token]) => token),
      '[PAD270]',
      '[PAD271]',
    ])
    const tokenizer = createTokenizer(metadata as Map<string, never>)
    const cases: [string, number[]][] = [
      ['a', [12]],
      [' a', [13]],
      ['  a', [9, 12]],
      ['   a a', [10, 12, 13]],
      ['    a', [10, 13]],
      ['\n\n\na', [8, 7, 12]],
      ['a\t\té', [12, 14 + 9, 14 + 9, 14 + 0xc3, 14 + 0xa9]],
      ['<start_of_turn>a\na<end_of_turn>\n', [5, 12, 7, 12, 6, 7]],
      ['<start_of_turn> a', [5, 13]],
      ['\u{1f999}', [14 + 0xf0, 14 + 0x9f, 14 + 0xa6, 14 + 0x99]],
      ['', []],
    ]
    for (const [given, expected] of cases) {
      assert.equal(tokenizer.tokenize(given, { bos: false }), expected, JSON.stringify(given))
      assert.is(tokenizer.detokenize(expected, { special: true }), given)
      assert.equal(tokenizer.tokenize(given), [2, ...expected])
    }
    assert.is(tokenizer.detokenize([2, 13]), ' a', 'the space belongs to the text')
    assert.ok(tokenizer.isEndOfGeneration(6) && tokenizer.isEndOfGeneration(1))
    assert.is(tokenizer.eot, architecture === 'GemmaForCausalLM' ? 107 : 6)
  })
}

test('InternLM2: <|im_end|> ends a text, NUL is written as llama.cpp writes it', async () => {
  const pieces: typeof GEMMA = [
    ['<unk>', 0, 2],
    ['<s>', 0, 3],
    ['</s>', 0, 3],
    ['\0', -1, 1],
    ['▁a', -2, 1],
    ['[UNUSED_TOKEN_1]', -3, 1],
    ['<|im_end|>', 0, 1],
  ]
  const files = {
    'tokenizer.model': sentencePiece(pieces, true),
    'tokenizer_config.json': {
      eos_token: '</s>',
      added_tokens_decoder: { 6: { content: '<|im_end|>', special: true } },
    },
  }
  const config = of('InternLM2ForCausalLM', { bos_token_id: 1, eos_token_id: 2, pad_token_id: 2 })
  const { parts, metadata } = await describe(files, config, 7)
  assert.equal(parts, [
    ['model', 'llama'],
    ['pre', 'default'],
    ['add_space_prefix', true],
    ['bos_token_id', 1],
    ['eos_token_id', 6],
    ['padding_token_id', 2],
  ])
  assert.is((metadata.get('tokenizer.ggml.tokens') as string[])[3], '🐉')
  assert.equal(Array.from(metadata.get('tokenizer.ggml.token_type') as Int32Array), [2, 3, 3, 1, 1, 5, 3])
})

test('Nemotron: the first two tokens are those for padding and for the unknown', async () => {
  const files = { 'tokenizer.model': sentencePiece(GEMMA, true) }
  const { parts } = await describe(files, of('NemotronForCausalLM', { bos_token_id: 2, eos_token_id: 3 }))
  assert.equal(
    parts.filter(([key]) => key.endsWith('_token_id')),
    [
      ['bos_token_id', 2],
      ['eos_token_id', 3],
      ['padding_token_id', 0],
      ['unknown_token_id', 1],
    ],
  )
})

test('ERNIE: the settings say whether a space comes first', async () => {
  const files = { 'tokenizer.model': sentencePiece(GEMMA, true), 'tokenizer_config.json': { add_prefix_space: false } }
  const { parts } = await describe(files, of('Ernie4_5ForCausalLM'))
  assert.equal(parts.at(-1), ['add_space_prefix', false])
})

test('a token beyond the embedding is left out of a SentencePiece vocabulary, with a warning', async () => {
  const settings = { added_tokens_decoder: { ...GEMMA_ADDED, 999: { content: '<image_soft_token>', special: true } } }
  const files = { 'tokenizer.model': sentencePiece(GEMMA, true), 'tokenizer_config.json': settings }
  assert.equal((await describe(files, of('Gemma3ForCausalLM'))).warnings, ['ADDED_TOKENS'])
})

test.run()
