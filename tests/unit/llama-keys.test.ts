/**
 * Every metadata key that llama.cpp has (tests/llama-names.ts), in every architecture of cria's: read, refused by name, or neutral, as
 * llama.cpp does not read it of such a model either, or for the reason that stands here.
 */
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CriaError } from '../../js/errors.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import type { Gguf, MetadataValue } from '../../js/gguf/types.ts'
import type { ModelConfig } from '../../js/models/config.ts'
import { readConfig } from '../../js/models/index.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { readVocabulary } from '../../js/tokenizer/vocabulary.ts'
import { kinFiles } from '../kin-files.ts'
import { LLAMA } from '../llama-names.ts'

/** Values of which a key that says something cannot mean the same with all. */
const VALUES: MetadataValue[] = [3, 0.37, 77777, 0, true, false, 'other', Uint32Array.of(1, 2, 3), ['a', 'b']]

/** Keys that llama.cpp reads of these models, and that change nothing here. */
const NEUTRAL: Record<string, string> = {
  '%s.features_length': 'of vocoders',
  '%s.posnet.embedding_length': 'of vocoders',
  '%s.posnet.block_count': 'of vocoders',
  '%s.convnext.embedding_length': 'of vocoders',
  '%s.convnext.block_count': 'of vocoders',
  '%s.classifier.output_labels': 'of classifiers, whose tensors are refused',
  '%s.classifier.pooling_type': 'of classifiers, whose tensors are refused',
  '%s.pooling_type': 'of embeddings: tests/api/embed.test.ts',
  '%s.rope.scaling.alpha': 'of HunYuan, whose converter has put it into the base',
  '%s.rope.scaling.finetuned': 'llama.cpp prints it; in Granite, where it is a switch, it is read',
  '%s.vocab_size': 'the embedding has as many rows',
}

/** As above, of models that lack what the key is about. */
const WITHOUT: { keys: string[]; lacks: (config: ModelConfig) => boolean; reason: string }[] = [
  {
    keys: ['%s.expert_group_count', '%s.expert_group_used_count'],
    lacks: ({ expertCount }) => expertCount === 0,
    reason: 'of experts',
  },
  {
    keys: ['%s.interleave_moe_layer_step', '%s.leading_dense_block_count', '%s.rope.dimension_sections'],
    lacks: ({ architecture }) => architecture === 'ernie4_5',
    reason: 'of its models with experts, and of PaddleOCR',
  },
  {
    keys: ['%s.rope.freq_base_swa'],
    lacks: ({ architecture }) => ['cohere2', 'exaone4', 'olmo2'].includes(architecture),
    reason: "llama.cpp's graph has one base in all layers",
  },
]

function prefixed(gguf: Gguf, key: string): string {
  return key.replace('%s', String(gguf.metadata.get('general.architecture')))
}

/** Whether any value of the key changes the configuration, or is refused by the key's name. */
function matters(gguf: Gguf, key: string): boolean {
  const plain = JSON.stringify(readConfig(gguf))
  return VALUES.some((value) => {
    try {
      const changed = readConfig({ ...gguf, metadata: new Map([...gguf.metadata, [key, value]]) })
      return JSON.stringify(changed) !== plain
    } catch (error) {
      assert.instance(error, CriaError)
      return (error as CriaError).message.includes(key)
    }
  })
}

/** The keys that llama.cpp reads of such a model. */
function readOf(gguf: Gguf): Set<string> {
  const plain = (name: string): string => name.replaceAll(/[-_.]/g, '')
  const architecture = plain(String(gguf.metadata.get('general.architecture')))
  const own = Object.entries(LLAMA.keys.architectures).find(([name]) => plain(name) === architecture)?.[1] ?? []
  return new Set([...LLAMA.keys.model, ...own])
}

for (const { name, gguf: path } of kinFiles()) {
  test(`${name}: keys under the architecture's name`, async () => {
    const gguf = await readGguf(bytesSource(readFileSync(path), name))
    const config = readConfig(gguf)
    const read = readOf(gguf)
    const neutral = new Set([
      ...Object.keys(NEUTRAL),
      ...WITHOUT.filter(({ lacks }) => lacks(config)).flatMap(({ keys }) => keys),
    ])
    const asked = LLAMA.keys.all.filter((key) => key.startsWith('%s.') && read.has(key) && !neutral.has(key))
    assert.equal(
      asked.filter((key) => !matters(gguf, prefixed(gguf, key))),
      [],
    )
    assert.ok(asked.length > 15)
  })
}

/** Keys of no architecture that change nothing when a model runs, and why. */
const ELSEWHERE: Record<string, string> = {
  'general.type': 'says what kind of file it is',
  'general.quantization_version': 'the types of tensors say it',
  'general.file_type': 'the types of tensors say it',
  'general.name': 'a name; one of Phi-3 says how its tokens are cut: tests/unit/tokenizer.test.ts',
  'general.tensor_extra.name': 'of the precision of activations on GPUs',
  'general.tensor_extra.prec_a4': 'of the precision of activations on GPUs',
  'tokenizer.ggml.token_type_count': 'of encoders',
  'tokenizer.ggml.cls_token_id': 'of encoders',
  'tokenizer.ggml.mask_token_id': 'of encoders',
  'tokenizer.ggml.add_sep_token': 'of encoders',
  'tokenizer.ggml.normalizer.lowercase': 'of WordPiece vocabularies',
  'tokenizer.ggml.normalizer.strip_accents': 'of WordPiece vocabularies',
  'tokenizer.ggml.remove_extra_whitespaces': 'of unigram vocabularies',
  'tokenizer.ggml.precompiled_charsmap': 'of unigram vocabularies',
  'tokenizer.ggml.suppress_tokens': 'llama.cpp reads it and bans nothing by it',
  'tokenizer.huggingface.json': 'llama.cpp does not read it',
  'tokenizer.rwkv.world': 'llama.cpp does not read it',
}
/** Whole families of them. */
const FAMILIES: [prefix: RegExp, reason: string][] = [
  [/^general\.(author|version|url|description|license|source\..*)$/, 'the origin of a model'],
  [/^general\.(alignment|architecture)$|^split\./, 'how the file is read: tests/unit/gguf-reader.test.ts'],
  [/^general\.sampling\./, 'defaults of the sampler: tests/api/sampling-metadata.test.ts'],
  [/^adapter\./, 'of adapters, which are no models'],
  [/^xielu\./, 'of Apertus, which is refused'],
  [/^tokenizer\.chat_template$/, 'tests/unit/chat-template.test.ts'],
  [/^tokenizer\.ggml\.(fim_(pre|suf|mid)|prefix|suffix|middle)_token_id$/, 'of texts that are filled in'],
]

/** A vocabulary of each kind, all of whose keys can be read. */
function vocabularies(): Map<string, MetadataValue>[] {
  const tokens = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  const shared: [string, MetadataValue][] = [
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', Int32Array.from(tokens, () => 1)],
    ['tokenizer.ggml.bos_token_id', 1],
    ['tokenizer.ggml.eos_token_id', 2],
  ]
  const scores = Float32Array.from(tokens, (_, i) => -i)
  return [
    new Map<string, MetadataValue>([['tokenizer.ggml.model', 'llama'], ...shared, ['tokenizer.ggml.scores', scores]]),
    new Map<string, MetadataValue>([['tokenizer.ggml.model', 'gpt2'], ...shared, ['tokenizer.ggml.merges', ['a b']]]),
  ]
}

/** What is read of a vocabulary, in comparable form. */
function shown(metadata: ReadonlyMap<string, MetadataValue>): string {
  const { endOfGeneration, ids: _, ...rest } = readVocabulary(metadata)
  return JSON.stringify([rest, [...endOfGeneration].sort()])
}

test('keys of no architecture', () => {
  const values: MetadataValue[] = [...VALUES, 5, 'llama-bpe', ['c d'], ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'i']]
  const passed = LLAMA.keys.all.filter((key) => {
    if (key.startsWith('%s.') || key in ELSEWHERE || FAMILIES.some(([prefix]) => prefix.test(key))) return false
    return !vocabularies().some((metadata) =>
      values.some((value) => {
        try {
          return shown(new Map([...metadata, [key, value]])) !== shown(metadata)
        } catch (error) {
          assert.instance(error, CriaError)
          return (error as CriaError).message.includes(key.split('.').at(-1)!)
        }
      }),
    )
  })
  assert.equal(passed, [])
})

test('what is said of keys is said of keys that there are', () => {
  const said = [...Object.keys(NEUTRAL), ...WITHOUT.flatMap(({ keys }) => keys), ...Object.keys(ELSEWHERE)]
  assert.equal(
    said.filter((key) => !LLAMA.keys.all.includes(key)),
    [],
  )
  for (const [prefix] of FAMILIES)
    assert.ok(
      LLAMA.keys.all.some((key) => prefix.test(key)),
      String(prefix),
    )
})

test.run()
