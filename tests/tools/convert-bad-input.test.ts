/** Hugging Face folders that are damaged, incomplete or of another kind: errors that name what is wrong. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findPreTokenizer } from '../../js/convert/hf-pretokenizer.ts'
import { convertHuggingFace, type HuggingFaceOptions } from '../../js/convert/huggingface.ts'
import { readSafetensors } from '../../js/convert/safetensors.ts'
import { readSentencePiece } from '../../js/convert/sentencepiece.ts'
import { AbortError, ArgumentError, CriaError, FormatError, NumericError, UnsupportedError } from '../../js/errors.ts'
import { bytesSource } from '../../js/source/memory.ts'
import type { CriaWarning } from '../../js/util/warn.ts'
import { CLI, command, cria, withFolder } from '../cli-helpers.ts'
import { concat, random, read, rejects } from '../gguf-helpers.ts'

const FIXTURES = new URL('../fixtures/huggingface/', import.meta.url).pathname
const LLAMA = 'Tiny-Llama'
const MISTRAL = 'Tiny-Mistral'

type Files = Map<string, Uint8Array>

function folder(name: string): Files {
  const path = join(FIXTURES, name)
  return new Map(readdirSync(path).map((file) => [file, new Uint8Array(readFileSync(join(path, file)))]))
}

const convert = (files: Files, options: HuggingFaceOptions = {}) =>
  concat(convertHuggingFace(files, { onWarning: () => {}, ...options }))

type Json = Record<string, unknown>

/** The folder with a JSON file changed. */
function changed(name: string, file: string, change: (json: Json) => void): Files {
  const files = folder(name)
  const json = JSON.parse(Buffer.from(files.get(file)!).toString('utf8')) as Json
  change(json)
  return files.set(file, Buffer.from(JSON.stringify(json)))
}

function without(name: string, file: string): Files {
  const files = folder(name)
  files.delete(file)
  return files
}

interface Info {
  dtype: string
  shape: number[]
  data_offsets: [number, number]
}

/** A safetensors file with its header changed; the data stay. */
function reheader(bytes: Uint8Array, change: (header: Record<string, Info>) => void): Uint8Array {
  const length = Number(Buffer.from(bytes.buffer, bytes.byteOffset).readBigUInt64LE(0))
  const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString('utf8')) as Record<string, Info>
  change(header)
  return safetensors(JSON.stringify(header), bytes.subarray(8 + length))
}

function safetensors(header: string, data: Uint8Array, claimed?: bigint): Uint8Array {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(claimed ?? BigInt(Buffer.byteLength(header)))
  return new Uint8Array(Buffer.concat([length, Buffer.from(header), data]))
}

const weights = (change: (header: Record<string, Info>) => void): Files => {
  const files = folder(LLAMA)
  return files.set('model.safetensors', reheader(files.get('model.safetensors')!, change))
}

test('safetensors headers that lie are refused', async () => {
  const whole = folder(LLAMA).get('model.safetensors')!
  const refuse = (bytes: Uint8Array, code: string) => rejects(readSafetensors(bytesSource(bytes)), FormatError, code)
  for (const length of [0, 7, 8, 100, whole.length - 1])
    await refuse(whole.subarray(0, length), 'SAFETENSORS_TRUNCATED')
  await refuse(new Uint8Array([...whole, 0]), 'SAFETENSORS_TRUNCATED')
  await refuse(safetensors('{}', new Uint8Array(0), 2n ** 63n), 'SAFETENSORS_HEADER')
  await refuse(safetensors('{}', new Uint8Array(0), 100n), 'SAFETENSORS_TRUNCATED')
  for (const header of ['', '[]', 'null', '{', '{"a":1}', '{"a":null}', '{"a":{"dtype":"F32","shape":[1]}}']) {
    await refuse(safetensors(header, new Uint8Array(4)), 'SAFETENSORS_HEADER')
  }
  const info = (shape: unknown, offsets: unknown, dtype: unknown = 'F32') =>
    JSON.stringify({ a: { dtype, shape, data_offsets: offsets } })
  const unsound = [
    info([-1], [0, 4]),
    info([1.5], [0, 6]),
    info(['1'], [0, 4]),
    info([1], [0]),
    info([1], [0, '4']),
    info([1], [-4, 0]),
    info([1], [0, 4], 4),
    info(Array(9).fill(1), [0, 4]),
  ]
  for (const header of unsound) await refuse(safetensors(header, new Uint8Array(4)), 'SAFETENSORS_HEADER')
  const lying = [info([2], [0, 4]), info([1], [4, 0]), info([1], [4, 8]), info([2 ** 40, 2 ** 40], [0, 4])]
  for (const header of lying) await refuse(safetensors(header, new Uint8Array(4)), 'SAFETENSORS_OFFSETS')
  const two = (a: [number, number], b: [number, number]) =>
    JSON.stringify(
      Object.fromEntries([a, b].map((data_offsets, i) => [`t${i}`, { dtype: 'F32', shape: [1], data_offsets }])),
    )
  await refuse(safetensors(two([0, 4], [0, 4]), new Uint8Array(4)), 'SAFETENSORS_OFFSETS')
  await refuse(safetensors(two([0, 4], [8, 12]), new Uint8Array(12)), 'SAFETENSORS_OFFSETS')
  await refuse(safetensors(two([0, 4], [4, 8]), new Uint8Array(12)), 'SAFETENSORS_TRUNCATED')
  const unknown = safetensors(info([1], [0, 4], 'F4'), new Uint8Array(4))
  await rejects(readSafetensors(bytesSource(unknown)), UnsupportedError, 'SAFETENSORS_DTYPE')
})

test('headers with random damage fail as errors of cria, or not at all', async () => {
  const whole = folder(MISTRAL).get('model-00003-of-00003.safetensors')!
  const length = Number(Buffer.from(whole).readBigUInt64LE(0))
  const next = random(11)
  for (let i = 0; i < 500; i++) {
    const bytes = whole.slice()
    for (let j = 0; j <= i % 3; j++) bytes[next() % (8 + length)] = next() & 255
    try {
      await readSafetensors(bytesSource(bytes))
    } catch (error) {
      assert.instance(error, CriaError)
    }
  }
})

test('missing files are named', async () => {
  for (const [name, file, code] of [
    [LLAMA, 'config.json', 'FILE_MISSING'],
    [LLAMA, 'model.safetensors', 'FILE_MISSING'],
    [LLAMA, 'tokenizer.model', 'FILE_MISSING'],
    [MISTRAL, 'model-00002-of-00003.safetensors', 'FILE_MISSING'],
    [MISTRAL, 'tokenizer.json', 'FILE_MISSING'],
  ] as const) {
    await rejects(convert(without(name, file)), FormatError, code)
  }
  const pickle = without(LLAMA, 'model.safetensors').set('pytorch_model.bin', new Uint8Array(8))
  await rejects(convert(pickle), UnsupportedError, 'HF_PICKLE')
  const adapter = without(LLAMA, 'config.json').set('adapter_config.json', Buffer.from('{}'))
  assert.match((await rejects(convert(adapter), UnsupportedError, 'NOT_A_MODEL')).message, /LoRA adapter/)
})

test('tensors that are missing, of the wrong shape, unknown or twice are named', async () => {
  const name = 'model.layers.1.mlp.up_proj.weight'
  const renamed = await rejects(
    convert(
      weights((header) => {
        header['model.layers.1.mlp.up.weight'] = header[name]!
        delete header[name]
      }),
    ),
    FormatError,
    'TENSOR_MISSING',
  )
  assert.is(renamed.value, name)
  const bias = 'model.layers.0.self_attn.q_proj.bias'
  const files = weights((header) => {
    header['model.layers.0.self_attn.rotary_emb.inv_freq'] = header[bias]!
    delete header[bias]
  })
  assert.is((await rejects(convert(files), FormatError, 'TENSOR_MISSING')).value, bias)
  const shape = await rejects(convert(weights((header) => header[name]!.shape.reverse())), FormatError, 'TENSOR_SHAPE')
  assert.is(shape.value, name)
  const extra = changed(LLAMA, 'config.json', (config) => {
    config.num_hidden_layers = 1
  })
  const unknown = await rejects(convert(extra), UnsupportedError, 'TENSOR_UNKNOWN')
  assert.match(String(unknown.value), /^model\.layers\.1\./)
  const integers = weights((header) => {
    header[name]!.dtype = 'I32'
  })
  await rejects(convert(integers), UnsupportedError, 'TENSOR_TYPE')
  const twice = folder(LLAMA)
  twice.set('model-2.safetensors', twice.get('model.safetensors')!)
  await rejects(convert(twice), FormatError, 'TENSOR_TWICE')
  const promised = changed(MISTRAL, 'model.safetensors.index.json', (index) => {
    ;(index.weight_map as Json)['model.layers.9.x'] = 'model-00001-of-00003.safetensors'
  })
  assert.is((await rejects(convert(promised), FormatError, 'TENSOR_MISSING')).value, 'model.layers.9.x')
})

test('values that are not finite, or beyond the type, are named with their place', async () => {
  const name = 'model.layers.0.self_attn.k_proj.weight'
  const poisoned = (tensor: string, row: number, column: number, value: number): Files => {
    const files = folder(LLAMA)
    const bytes = files.get('model.safetensors')!
    reheader(bytes, (header) => {
      const { data_offsets, shape } = header[tensor]!
      const start = bytes.length - Math.max(...Object.values(header).map((info) => info.data_offsets?.[1] ?? 0))
      const element = shape.length === 1 ? row : row * shape[1]! + column
      new DataView(bytes.buffer).setFloat32(start + data_offsets[0] + 4 * element, value, true)
    })
    return files
  }
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const outtype of ['f32', 'f16', 'q8_0'] as const) {
      const error = await rejects(convert(poisoned(name, 9, 5, value), { outtype }), FormatError, 'TENSOR_NOT_FINITE')
      assert.is(error.value, name)
      assert.match(error.message, /row 9, column 5/)
    }
  }
  const norm = await rejects(convert(poisoned('model.norm.weight', 3, 0, Number.NaN)), FormatError, 'TENSOR_NOT_FINITE')
  assert.match(norm.message, /model\.norm\.weight.*element 3/)
  await rejects(convert(poisoned(name, 0, 0, 1e6), { outtype: 'f16' }), NumericError, 'TENSOR_RANGE')
  assert.ok((await convert(poisoned(name, 0, 0, 1e6), { outtype: 'bf16' })).length > 0)
})

test('configurations of another kind or out of range are refused, with the key', async () => {
  const cases: [change: Json, Class: new (...args: never[]) => CriaError, code: string][] = [
    [{ architectures: ['GPT2LMHeadModel'] }, UnsupportedError, 'HF_ARCHITECTURE'],
    [{ architectures: ['MixtralForCausalLM'] }, FormatError, 'TENSOR_MISSING'],
    [{ architectures: undefined }, UnsupportedError, 'HF_ARCHITECTURE'],
    [{ quantization_config: { quant_method: 'gptq' } }, UnsupportedError, 'HF_QUANTIZED'],
    [{ hidden_act: 'gelu' }, UnsupportedError, 'HF_ACTIVATION'],
    [{ rope_scaling: { rope_type: 'longrope' } }, UnsupportedError, 'HF_ROPE'],
    [{ partial_rotary_factor: 0.5 }, UnsupportedError, 'HF_ROPE'],
    [{ rope_scaling: { type: 'linear' } }, FormatError, 'HF_CONFIG'],
    [{ rope_scaling: { type: 'yarn', factor: 2, original_max_position_embeddings: 0 } }, FormatError, 'HF_CONFIG'],
    [{ rope_scaling: { rope_type: 'llama3', high_freq_factor: 1, low_freq_factor: 4 } }, FormatError, 'HF_CONFIG'],
    ...[0, -1, 1.5, '32', null, 2 ** 40].flatMap((value) =>
      ['hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size', 'vocab_size'].map(
        (key): (typeof cases)[number] => [{ [key]: value }, FormatError, 'HF_CONFIG'],
      ),
    ),
    [{ num_key_value_heads: 3 }, FormatError, 'HF_CONFIG'],
    [{ head_dim: 7 }, FormatError, 'HF_CONFIG'],
    [{ num_attention_heads: 5, num_key_value_heads: 5, head_dim: undefined }, FormatError, 'HF_CONFIG'],
    [{ rms_norm_eps: -1 }, FormatError, 'HF_CONFIG'],
    [{ vocab_size: 100 }, FormatError, 'TENSOR_SHAPE'],
  ]
  for (const [change, Class, code] of cases) {
    const files = changed(LLAMA, 'config.json', (config) => Object.assign(config, change))
    await rejects(convert(files), Class, code)
  }
  await rejects(convert(folder(LLAMA).set('config.json', Buffer.from('{'))), FormatError, 'FILE_JSON')
  await rejects(convert(folder(LLAMA).set('config.json', Buffer.from('[]'))), FormatError, 'FILE_JSON')
  await rejects(convert(folder(LLAMA).set('config.json', Uint8Array.of(0xff))), FormatError, 'FILE_TEXT')
})

test("Mistral's heads of keys: 8 where nothing is said, as many as others where null is", async () => {
  const heads = async (change: Json) => {
    const files = changed(MISTRAL, 'config.json', (config) => {
      Object.assign(config, { num_attention_heads: 16, head_dim: 4, num_key_value_heads: undefined }, change)
    })
    return convert(files).then(
      () => '',
      (error: CriaError) => error.message,
    )
  }
  assert.match(await heads({}), /k_proj.*asks for \[32, 32\]/)
  assert.match(await heads({ num_key_value_heads: null }), /k_proj.*asks for \[64, 32\]/)
})

test('rotary scalings become those of GGUF', async () => {
  const scaled = async (rope: Json, warnings: unknown[] = []) => {
    const files = changed(LLAMA, 'config.json', (config) => Object.assign(config, rope))
    const onWarning = ({ code }: { code: string }) => warnings.push(code)
    const { metadata, tensors } = await read(await convert(files, { onWarning }))
    assert.is(tensors.has('rope_freqs.weight'), false)
    const keys = [...metadata]
      .filter(([key]) => key.startsWith('llama.rope.'))
      .map(([key, value]) => [key.slice(11), value])
    return Object.fromEntries(keys)
  }
  const linear = { 'scaling.type': 'linear', 'scaling.factor': 4, freq_base: 500000, dimension_count: 8 }
  assert.equal(await scaled({ rope_scaling: { type: 'linear', factor: 4 } }), linear)
  const yarn = { rope_type: 'yarn', factor: 2, original_max_position_embeddings: 64, beta_fast: 16, rope_theta: 1e6 }
  assert.equal(await scaled({ rope_scaling: undefined, rope_parameters: yarn }), {
    'scaling.type': 'yarn',
    'scaling.factor': 2,
    'scaling.original_context_length': 64,
    'scaling.yarn_beta_fast': 16,
    freq_base: 1e6,
    dimension_count: 8,
  })
  // The context that a model was trained for: of its own, or beside the other sizes, or all of its context.
  const trained = async (config: Json) => (await scaled(config))['scaling.original_context_length']
  const short = { type: 'yarn', factor: 2 }
  assert.is(await trained({ rope_scaling: short }), 512)
  assert.is(await trained({ rope_scaling: short, original_max_position_embeddings: 32 }), 32)
  assert.is(await trained({ rope_scaling: { ...short, original_max_position_embeddings: 16 } }), 16)
  const warnings: unknown[] = []
  assert.equal(await scaled({ rope_scaling: { type: 'dynamic', factor: 2 } }, warnings), {
    freq_base: 500000,
    dimension_count: 8,
  })
  assert.equal(warnings, ['ROPE_DYNAMIC'])
})

test('tokenizers that are damaged or of another kind are refused', async () => {
  const model = folder(LLAMA).get('tokenizer.model')!
  for (const bytes of [new Uint8Array(0), model.subarray(0, 100), Buffer.from('{"a": 1}'), model.subarray(1)]) {
    assert.throws(
      () => readSentencePiece(bytes, 'tokenizer.model'),
      (error: unknown) => error instanceof FormatError && error.code === 'SENTENCEPIECE',
    )
  }
  const next = random(3)
  for (let i = 0; i < 300; i++) {
    const bytes = model.slice()
    bytes[next() % bytes.length] = next() & 255
    try {
      readSentencePiece(bytes, 'tokenizer.model')
    } catch (error) {
      assert.instance(error, CriaError)
    }
  }
  const tokenizer = (change: (json: Json) => void) => convert(changed(MISTRAL, 'tokenizer.json', change))
  await rejects(
    tokenizer((json) => Object.assign(json.model as Json, { type: 'WordPiece' })),
    UnsupportedError,
    'HF_TOKENIZER',
  )
  await rejects(
    tokenizer((json) => Object.assign(json.model as Json, { vocab: {} })),
    FormatError,
    'HF_TOKENIZER',
  )
  await rejects(
    tokenizer((json) => Object.assign(json.model as Json, { merges: ['a'] })),
    FormatError,
    'HF_TOKENIZER',
  )
  for (const id of [305, -1, 1.5, '1']) {
    await rejects(
      tokenizer((json) => Object.assign((json.model as Json).vocab as Json, { new: id })),
      FormatError,
      'HF_VOCABULARY',
    )
  }
  await rejects(
    tokenizer((json) => {
      json.pre_tokenizer = { type: 'Whitespace' }
    }),
    UnsupportedError,
    'HF_PRE_TOKENIZER',
  )
  await rejects(convert(folder(MISTRAL), { pre: 'nope' }), UnsupportedError, 'HF_PRE_TOKENIZER')
  const named = await read(await convert(folder(MISTRAL), { pre: 'qwen2' }))
  assert.is(named.metadata.get('tokenizer.ggml.pre'), 'qwen2')
})

test('pre-tokenizers are told by their expressions', () => {
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
  const words = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true }
  const digits = { type: 'Digits', individual_digits: true }
  const split = (Regex: string) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false })
  const sequence = (...pretokenizers: unknown[]) => ({ type: 'Sequence', pretokenizers })
  const llama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
  const coder = ['[\r\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', '[一-龥ࠀ-一가-퟿]+'].map(split)
  const known: [pre: unknown, ignoreMerges: boolean, name: string][] = [
    [words, false, 'gpt-2'],
    [sequence(digits, words), false, 'smollm'],
    [sequence(split(llama3), bytes), true, 'llama-bpe'],
    [sequence(split(llama3), bytes), false, 'smaug-bpe'],
    [sequence(split(llama3.replace('{1,3}', '')), bytes), false, 'qwen2'],
    [sequence(...coder, digits, bytes), false, 'deepseek-coder'],
  ]
  for (const [pre_tokenizer, ignore_merges, name] of known) {
    assert.is(findPreTokenizer({ pre_tokenizer, model: { ignore_merges } } as Json), name)
  }
  for (const pre_tokenizer of [
    undefined,
    bytes,
    { ...words, add_prefix_space: true },
    sequence(split(llama3)),
    sequence({ ...split(llama3), behavior: 'Removed' }, bytes),
    sequence({ type: 'Digits', individual_digits: false }, words),
  ]) {
    assert.throws(
      () => findPreTokenizer({ pre_tokenizer } as Json),
      (error: unknown) => error instanceof UnsupportedError && error.code === 'HF_PRE_TOKENIZER',
    )
  }
})

test('a tokenizer.json that changes texts before it cuts them is told of', async () => {
  const prepend = { type: 'Prepend', prepend: '▁' }
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
  const nfc = { type: 'NFC' }
  const sequence = (...normalizers: unknown[]) => ({ type: 'Sequence', normalizers })
  for (const [byte_fallback, normalizer, told] of [
    [false, null, undefined],
    [false, nfc, 'NFC'],
    [false, sequence({ type: 'Lowercase' }, sequence(replace)), 'Lowercase, Replace'],
    [true, sequence(prepend, replace), undefined],
    [true, sequence(nfc, prepend, { ...replace, content: '_' }), 'NFC, Replace'],
  ] as const) {
    const warnings: CriaWarning[] = []
    const files = changed(MISTRAL, 'tokenizer.json', (json) => {
      Object.assign(json.model as Json, { byte_fallback })
      json.normalizer = normalizer
    })
    await convert(files, { onWarning: (warning) => warnings.push(warning) })
    assert.equal(
      warnings.map(({ code, message }) => [code, /\((.*)\)/.exec(message)?.[1]]),
      told === undefined ? [] : [['NORMALIZER', told]],
    )
  }
})

test('several chat templates keep their names', async () => {
  const files = changed(MISTRAL, 'tokenizer_config.json', (json) => {
    json.chat_template = [
      { name: 'default', template: 'A' },
      { name: 'tool use', template: 'B' },
    ]
  })
  const { metadata } = await read(await convert(files))
  assert.is(metadata.get('tokenizer.chat_template'), 'A')
  assert.is(metadata.get('tokenizer.chat_template.tool_use'), 'B')
  assert.equal(metadata.get('tokenizer.chat_templates'), ['tool_use'])
  const file = changed(MISTRAL, 'tokenizer_config.json', (json) => {
    json.chat_template = undefined
  }).set('chat_template.jinja', Buffer.from('C'))
  assert.is((await read(await convert(file))).metadata.get('tokenizer.chat_template'), 'C')
  file.set('additional_chat_templates/rag.jinja', Buffer.from('D'))
  const several = (await read(await convert(file))).metadata
  assert.is(several.get('tokenizer.chat_template'), 'C')
  assert.is(several.get('tokenizer.chat_template.rag'), 'D')
  assert.equal(several.get('tokenizer.chat_templates'), ['rag'])
  const empty = changed(MISTRAL, 'tokenizer_config.json', (json) => {
    json.chat_template = ''
  })
  assert.is((await read(await convert(empty))).metadata.has('tokenizer.chat_template'), false)
})

test('BOS and EOS stand in cls and sep where the settings call them so, and go where the template puts them', async () => {
  const special = async (settings: Json, first: string | undefined, last?: string) => {
    const files = changed(MISTRAL, 'tokenizer_config.json', (json) => {
      for (const key of Object.keys(json)) delete json[key]
      Object.assign(json, settings)
    })
    const tokenizer = JSON.parse(Buffer.from(files.get('tokenizer.json')!).toString('utf8')) as Json
    const put = (id: string | undefined) => (id === undefined ? [] : [{ SpecialToken: { id } }])
    const single = [...put(first), { Sequence: { id: 'A' } }, ...put(last)]
    tokenizer.post_processor = { type: 'TemplateProcessing', single }
    files.set('tokenizer.json', Buffer.from(JSON.stringify(tokenizer)))
    const config = JSON.parse(Buffer.from(files.get('config.json')!).toString('utf8')) as Json
    for (const part of ['bos', 'eos']) delete config[`${part}_token_id`]
    const { metadata } = await read(await convert(files.set('config.json', Buffer.from(JSON.stringify(config)))))
    const get = (key: string) => metadata.get(`tokenizer.ggml.${key}`)
    return [get('bos_token_id'), get('add_bos_token'), get('eos_token_id'), get('add_eos_token'), get('eot_token_id')]
  }
  const [begin, end, pad] = [300, 301, 302]
  // What gguf-py's SpecialVocab makes of the same folders.
  assert.equal(await special({ cls_token: '<|begin|>', sep_token: '<|end|>' }, '<|begin|>'), [
    begin,
    true,
    end,
    undefined,
    undefined,
  ])
  assert.equal(await special({ bos_token: '', cls_token: '<|begin|>' }, '<pad>'), [
    begin,
    false,
    undefined,
    undefined,
    undefined,
  ])
  assert.equal(await special({ bos_token: '<pad>' }, '<|begin|>'), [pad, true, undefined, undefined, undefined])
  assert.equal(await special({ bos_token: '<pad>', cls_token: '<|end|>' }, '<|begin|>'), [
    pad,
    false,
    undefined,
    undefined,
    undefined,
  ])
  assert.equal(await special({ sep_token: '<|end|>' }, '<|begin|>', '<pad>'), [begin, true, pad, true, end])
})

test('options out of range and aborts are refused', async () => {
  await rejects(convert(folder(LLAMA), { outtype: 'q4_0' as never }), ArgumentError, 'OUTTYPE')
  const abort = new AbortController()
  const onProgress = () => abort.abort()
  await rejects(convert(folder(LLAMA), { onProgress, signal: abort.signal }), AbortError, 'ABORTED')
})

test('the command line converts a folder, and leaves nothing half-written', () =>
  withFolder(async (path) => {
    const [input, out] = [join(path, 'tiny-llama-v1'), join(path, 'out.gguf')]
    cpSync(join(FIXTURES, LLAMA), input, { recursive: true })
    const done = await cria(['convert', input, out, '--outtype', 'bf16', '--license', 'mit'])
    assert.equal([done.code, done.stdout], [0, ''], done.stderr)
    const first = readFileSync(out)
    const { metadata } = await read(new Uint8Array(first))
    assert.is(metadata.get('general.name'), 'Tiny Llama v1')
    assert.is(metadata.get('general.license'), 'mit')
    assert.match((await cria(['convert', input, out])).stderr, /FILE_EXISTS/)
    const fromFile = await cria(['convert', join(input, 'config.json'), out, '--outtype', 'bf16', '--force'])
    assert.is(fromFile.code, 0)
    // A file of weights by another name, beside those of another model.
    cpSync(join(input, 'model.safetensors'), join(input, 'tuned.safetensors'))
    writeFileSync(join(input, 'model.safetensors'), 'another')
    const other = join(path, 'other.gguf')
    const tuned = await cria([
      'convert',
      join(input, 'tuned.safetensors'),
      other,
      '--outtype',
      'bf16',
      '--license',
      'mit',
    ])
    assert.is(tuned.code, 0, tuned.stderr)
    assert.ok(readFileSync(other).equals(first))
    rmSync(other)
    cpSync(join(input, 'tuned.safetensors'), join(input, 'model.safetensors'))
    const line = 'ulimit -f 50 && exec "$0" "$@"'
    const full = await command('sh', ['-c', line, process.execPath, CLI, 'convert', input, other])
    assert.match(full.stderr, /EFBIG/)
    writeFileSync(join(input, 'tokenizer.model'), 'nothing')
    assert.match((await cria(['convert', input, other])).stderr, /SENTENCEPIECE/)
    assert.not.ok(existsSync(other))
    assert.equal(readdirSync(path).sort(), ['out.gguf', 'tiny-llama-v1'])
  }))

test.run()
