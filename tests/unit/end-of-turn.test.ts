/**
 * Which tokens end generation, family by family: by their ids and by their texts, as llama.cpp's src/llama-vocab.cpp finds
 * them. A file names few of them.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Metadata } from '../../js/gguf/types.ts'
import { END_OF_GENERATION } from '../../js/tokenizer/special-tokens.ts'
import { createTokenizer, type Tokenizer } from '../../js/tokenizer/tokenizer.ts'

const NORMAL = 1
const CONTROL = 3

/** A byte-level vocabulary of these tokens; those in `plain` are ordinary ones. Ids by the part of their key. */
function vocabulary(tokens: string[], parts: Record<string, string> = {}, plain: string[] = []): Tokenizer {
  const all = ['a', 'b', ...tokens]
  const ids = Object.entries(parts).map(
    ([part, text]) => [`tokenizer.ggml.${part}_token_id`, all.indexOf(text)] as const,
  )
  const metadata: Metadata = new Map<string, never>(
    Object.entries({
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': 'qwen2',
      'tokenizer.ggml.tokens': all,
      'tokenizer.ggml.token_type': Int32Array.from(all, (text, id) =>
        id < 2 || plain.includes(text) ? NORMAL : CONTROL,
      ),
      'tokenizer.ggml.merges': [],
      ...Object.fromEntries(ids),
    }) as [string, never][],
  )
  return createTokenizer(metadata)
}

function ends(tokenizer: Tokenizer): string[] {
  return Array.from({ length: tokenizer.vocabularySize }, (_, id) => id)
    .filter((id) => tokenizer.isEndOfGeneration(id))
    .map((id) => tokenizer.tokenText(id))
}

interface Family {
  tokens: string
  /** Parts that the file names. */
  parts?: Record<string, string>
  ends: string
  eot?: string
}

const FAMILIES: Record<string, Family> = {
  'Qwen 2, 2.5, 3': {
    tokens:
      '<|endoftext|> <|im_start|> <|im_end|> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|>',
    parts: { eos: '<|im_end|>', bos: '<|endoftext|>' },
    ends: '<|endoftext|> <|im_end|> <|fim_pad|> <|repo_name|> <|file_sep|>',
    eot: '<|im_end|>',
  },
  'Gemma 1 to 3': {
    tokens: '<pad> <eos> <bos> <start_of_turn> <end_of_turn>',
    parts: { eos: '<eos>' },
    ends: '<eos> <end_of_turn>',
    eot: '<end_of_turn>',
  },
  'Granite 3 and 4': {
    tokens: '<|end_of_text|> <|start_of_role|> <|end_of_role|> <|tool_call|> <fim_prefix> <fim_pad> <reponame>',
    parts: { eos: '<|end_of_text|>' },
    ends: '<|end_of_text|> <fim_pad> <reponame>',
    eot: '<|end_of_text|>',
  },
  'Phi-3 and 4-mini': {
    tokens: '<|endoftext|> <|assistant|> <|system|> <|user|> <|end|>',
    parts: { eos: '<|endoftext|>' },
    ends: '<|endoftext|> <|end|>',
    eot: '<|end|>',
  },
  'Phi-4': {
    tokens: '<|endoftext|> <|im_start|> <|im_sep|> <|im_end|>',
    parts: { eos: '<|im_end|>' },
    ends: '<|endoftext|> <|im_end|>',
    eot: '<|im_end|>',
  },
  'Llama 3': {
    tokens:
      '<|begin_of_text|> <|end_of_text|> <|start_header_id|> <|end_header_id|> <|eom_id|> <|eot_id|> <|python_tag|>',
    parts: { eos: '<|eot_id|>' },
    ends: '<|end_of_text|> <|eom_id|> <|eot_id|>',
    eot: '<|eot_id|>',
  },
  'EXAONE 4': {
    tokens: '[|system|] [|user|] [|assistant|] [|endofturn|] [|tool|]',
    parts: { eos: '[|endofturn|]' },
    ends: '[|endofturn|]',
  },
  'K-EXAONE': {
    tokens: '<|system|> <|user|> <|assistant|> <|endofturn|> <|tool_declare|>',
    parts: { eos: '<|endofturn|>' },
    ends: '<|endofturn|>',
  },
  'GLM-4': {
    tokens: '<|endoftext|> [gMASK] <sop> <|system|> <|user|> <|assistant|> <|observation|>',
    parts: { eos: '<|endoftext|>', eot: '<|user|>', eom: '<|observation|>' },
    ends: '<|endoftext|> <|user|> <|observation|>',
    eot: '<|user|>',
  },
  Hunyuan: {
    tokens: '<｜hy_begin▁of▁sentence｜> <｜hy_place▁holder▁no▁2｜> <｜hy_place▁holder▁no▁8｜>',
    parts: { eos: '<｜hy_place▁holder▁no▁8｜>', eot: '<｜hy_place▁holder▁no▁2｜>' },
    ends: '<｜hy_place▁holder▁no▁2｜> <｜hy_place▁holder▁no▁8｜>',
    eot: '<｜hy_place▁holder▁no▁2｜>',
  },
  'Seed-OSS': { tokens: '<seed:bos> <seed:eos> <seed:pad>', parts: { eos: '<seed:eos>' }, ends: '<seed:eos>' },
  "DeepSeek's distills": {
    tokens: '<｜begin▁of▁sentence｜> <｜end▁of▁sentence｜> <｜User｜> <｜Assistant｜>',
    parts: { eos: '<｜end▁of▁sentence｜>' },
    ends: '<｜end▁of▁sentence｜>',
    eot: '<｜end▁of▁sentence｜>',
  },
  'gpt-oss: <|end|> closes one message of several': {
    tokens: '<|endoftext|> <|return|> <|constrain|> <|channel|> <|start|> <|end|> <|message|> <|call|>',
    parts: { eos: '<|return|>' },
    ends: '<|endoftext|> <|return|> <|call|>',
    eot: '<|end|>',
  },
  'Solar Open': { tokens: '<|flush|> <|calls|> <|end|> <|begin|>', ends: '<|flush|> <|calls|>', eot: '<|end|>' },
  SmolVLM: { tokens: '<|im_start|> <end_of_utterance>', ends: '<end_of_utterance>', eot: '<end_of_utterance>' },
  'ERNIE 4.5, InternLM2, MiniCPM: </s>': { tokens: '<s> </s>', parts: { eos: '</s>' }, ends: '</s>' },
  'Gemma 4 and its </s>, which is a tag': {
    tokens: '<eos> </s> <|turn> <turn|> <|tool_response>',
    ends: '<eos> <turn|> <|tool_response>',
  },
}

for (const [name, { tokens, parts, ends: expected, eot }] of Object.entries(FAMILIES)) {
  const all = tokens.split(' ')
  test(`${name}: what ends generation`, () => {
    const tokenizer = vocabulary(all, parts)
    assert.equal(ends(tokenizer), expected.split(' '))
    assert.is(tokenizer.eot === undefined ? undefined : tokenizer.tokenText(tokenizer.eot), eot)
  })
  test(`${name}: also where the file calls them ordinary tokens`, () => {
    const tokenizer = vocabulary(all, parts, all)
    assert.equal(ends(tokenizer), expected.split(' '))
    for (const text of expected.split(' ').filter((end) => END_OF_GENERATION.includes(end))) {
      const id = all.indexOf(text) + 2
      assert.equal(tokenizer.tokenize(`a${text}b`), [0, id, 1], text)
      assert.is(tokenizer.detokenize([0, id, 1]), 'ab', text)
    }
  })
}

/** Texts that end generation wherever they stand. Source: llama.cpp's src/llama-vocab.cpp. */
const ALWAYS =
  '<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <|flush|> <|calls|> <end_of_turn> <|endoftext|> </s> <|eom_id|> <EOT> ' +
  '_<EOT> [EOT] [EOS] <|end_of_text|> <end_of_utterance> <eos> <turn|> <|tool_response> <｜end▁of▁sentence｜> [e~['

for (const text of ALWAYS.split(' ')) {
  test(`${text} ends generation by its text`, () => {
    assert.equal(ends(vocabulary(['x', text, 'y'])), [text])
  })
}

test.run()
