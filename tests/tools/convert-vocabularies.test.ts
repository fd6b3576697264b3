/**
 * Published vocabularies (tests/vocabularies): converted, they give the ids that Hugging Face's tokenizers gives, text by
 * text. Where llama.cpp makes others by design, its ids count, which the fixture has beside them:
 *
 * - a text such as `</s>` that llama.cpp takes for a special token in any vocabulary (qwen3);
 * - `▁`, which is a space in SentencePiece's vocabularies (gemma3);
 * - letters beyond ASCII, whose case llama.cpp's gpt-4o does not distinguish, and marks, which are no letters to it (gptoss).
 *
 * Nor does llama.cpp normalize texts: the ids are those without qwen3's NFC.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createTokenizer, type Tokenizer } from '../../js/tokenizer/tokenizer.ts'
import { areInstalled, convertVocabulary, ids, texts, VOCABULARIES } from '../vocabularies/convert.ts'

/** What llama.cpp's converter and loader make of the files. */
const EXPECTED: Record<string, { metadata: Record<string, unknown>; warnings: string[]; ends: string[] }> = {
  gemma3: {
    metadata: {
      model: 'llama',
      pre: 'default',
      bos_token_id: 2,
      eos_token_id: 106,
      unknown_token_id: 3,
      padding_token_id: 0,
      add_bos_token: true,
      add_eos_token: false,
      add_space_prefix: false,
    },
    warnings: ['ADDED_TOKENS'],
    ends: ['<eos>', '<end_of_turn>', '</s>'],
  },
  gptoss: {
    metadata: {
      model: 'gpt2',
      pre: 'gpt-4o',
      bos_token_id: 199998,
      eos_token_id: 200002,
      padding_token_id: 199999,
      add_bos_token: false,
      add_eos_token: false,
    },
    warnings: [],
    ends: ['<|endoftext|>', '<|return|>', '<|call|>'],
  },
  llama3_1: {
    metadata: {
      model: 'gpt2',
      pre: 'llama-bpe',
      bos_token_id: 128000,
      eos_token_id: 128009,
      // Of the list of ends, the one that is not known by its text.
      eot_token_id: 128008,
      add_bos_token: true,
      add_eos_token: false,
    },
    warnings: [],
    ends: ['<|end_of_text|>', '<|reserved_special_token_4|>', '<|eot_id|>'],
  },
  qwen3: {
    metadata: {
      model: 'gpt2',
      pre: 'qwen2',
      bos_token_id: 151643,
      eos_token_id: 151645,
      padding_token_id: 151643,
      add_bos_token: false,
      add_eos_token: false,
    },
    warnings: ['NORMALIZER'],
    ends: ['</s>', '<|endoftext|>', '<|im_end|>', '<|fim_pad|>', '<|repo_name|>', '<|file_sep|>'],
  },
}

/** What a text holds whose ids differ. */
const DIFFERENCES: Record<string, RegExp> = {
  gemma3: /▁/,
  gptoss: /[\u0080-\u{10ffff}]/u,
  llama3_1: /^$/,
  qwen3: /<\/s>/,
}

/** What comes back from a text's ids: SentencePiece's `▁` is a space. */
const back = (name: string, text: string) => (name === 'gemma3' ? text.replaceAll('▁', ' ') : text)

function installed(name: string, run: () => Promise<void>): void {
  const missing = 'tests/vocabularies is not installed: npm ci --prefix tests/vocabularies'
  if (areInstalled) test(name, run)
  else if (process.env.CI) test(name, () => assert.unreachable(missing))
  else test.skip(`${name} (${missing})`)
}

const made = new Map<string, Promise<{ tokenizer: Tokenizer; metadata: Map<string, unknown>; warnings: string[] }>>()
function converted(name: string) {
  const known = made.get(name)
  if (known) return known
  const promise = convertVocabulary(name).then(({ entries, warnings }) => {
    const metadata = new Map(entries.map(({ key, value }) => [key, value as never]))
    return { tokenizer: createTokenizer(metadata), metadata, warnings }
  })
  made.set(name, promise)
  return promise
}

for (const name of VOCABULARIES) {
  const expected = EXPECTED[name]!

  installed(`${name}: the metadata are those of llama.cpp's converter`, async () => {
    const { metadata, warnings, tokenizer } = await converted(name)
    const scalars = Array.from(metadata, ([key, value]) => [key.replace('tokenizer.ggml.', ''), value] as const)
    const got = Object.fromEntries(scalars.filter(([, value]) => typeof value !== 'object'))
    delete got['tokenizer.chat_template']
    assert.equal(got, expected.metadata)
    assert.equal(warnings, expected.warnings)
    const all = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id)
    assert.equal(
      all.filter((id) => tokenizer.isEndOfGeneration(id)).map((id) => tokenizer.tokenText(id)),
      expected.ends,
    )
  })

  installed(`${name}: every text has Hugging Face's ids, or llama.cpp's, and comes back from them`, async () => {
    const { tokenizer } = await converted(name)
    const vectors = ids(name)
    assert.is(vectors.length, texts().length)
    let equal = 0
    for (const [i, text] of texts().entries()) {
      const { huggingFace, llamaCpp } = vectors[i]!
      const shown = JSON.stringify(text)
      const got = tokenizer.tokenize(text, { bos: false })
      assert.equal(got, llamaCpp, shown)
      assert.is(tokenizer.detokenize(got, { special: true }), back(name, text), shown)
      const stream = tokenizer.stream({ special: true })
      assert.is(got.map((id) => stream.push(id)).join('') + stream.flush(), back(name, text), shown)
      if (String(huggingFace) === String(llamaCpp)) equal++
      else assert.match(text, DIFFERENCES[name]!, shown)
    }
    assert.ok(equal > vectors.length * 0.9)
  })

  installed(`${name}: special tokens are text where a text is not to have any`, async () => {
    const { tokenizer } = await converted(name)
    for (const text of texts()) {
      const plain = tokenizer.tokenize(text, { bos: false, special: false })
      assert.is(tokenizer.detokenize(plain, { special: true }), back(name, text), JSON.stringify(text))
    }
  })
}

test.run()
