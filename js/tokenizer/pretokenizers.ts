import { LETTER, MARK, NUMBER, OTHER, type Points, PUNCTUATION, SPACE, SYMBOL } from '../util/unicode.ts'
import {
  afterAnySpace,
  cased,
  contraction,
  contractionAnyCase,
  firstOf,
  inSet,
  lines,
  newline,
  newlines,
  numbers,
  prefixed,
  punctuatedWord,
  punctuationOr,
  type Rule,
  run,
  spaced,
  spacedLetters,
  spacedNotIn,
  spacedNumbers,
  spacedOther,
  spacedThenNewlines,
  spacedWords,
  spaces,
  spacesBeforeLast,
  spacesByPowers,
  threeDigits,
  wordWithContraction,
} from './rules.ts'

/**
 * A stage cuts every piece that the stages before it made: it calls `cut` with the end of each piece of [at, end), in
 * order; the last is `end`.
 */
export type Stage = (text: Points, at: number, end: number, cut: (end: number) => void) => void

/** What llama.cpp sets beside the expression, by the name in `tokenizer.ggml.pre`. */
export interface PreTokenizer {
  readonly stages: readonly Stage[]
  /** A word that is a token is that token, whatever the merges say. */
  readonly ignoreMerges?: boolean
  /** Adds BOS unless the metadata says otherwise. */
  readonly addBos?: boolean
}

/** Every match of the rule is a piece, and so is what lies between two matches. */
function matches(rule: Rule): Stage {
  return (text, at, end, cut) => {
    let last = at
    while (at < end) {
      const to = rule(text, at, end)
      if (to > at) {
        if (at > last) cut(at)
        cut(to)
        last = at = to
      } else at++
    }
    if (end > last) cut(end)
  }
}

/** \s+$ */
const trailingSpaces: Stage = (text, at, end, cut) => {
  let from = end
  while (from > at && text.classes[from - 1]! & SPACE) from--
  if (from > at && from < end) cut(from)
  cut(end)
}

/** (?=(\d{3})+(?!\d)) : cuts before each group of three digits, counted from the end of a run of digits. */
const threesFromTheEnd: Stage = (text, at, end, cut) => {
  const isDigit = (i: number) => text.codes[i]! >= 0x30 && text.codes[i]! <= 0x39
  const start = at
  while (at < end) {
    let to = at
    while (to < end && isDigit(to)) to++
    for (let i = at; i < to; i++) if ((to - i) % 3 === 0 && i > start) cut(i)
    at = to + 1
  }
  cut(end)
}

/** Cuts after groups of three numbers, counted from the end of a run: the first group stays with what is before it. */
const numbersFromTheEnd: Stage = (text, at, end, cut) => {
  let last = at
  while (at < end) {
    const to = run(text, at, end, NUMBER)
    for (let i = at + ((to - at) % 3 || 3); i <= to; i += 3) {
      cut(i)
      last = i
    }
    at = to + 1
  }
  if (last < end) cut(end)
}

const NEITHER = MARK | PUNCTUATION | SYMBOL | OTHER
/** 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
const gpt2 = matches(firstOf(contraction, spacedLetters, spacedNumbers, spacedOther, spacesBeforeLast, spaces))

const afterWord: Rule[] = [spacedThenNewlines(NEITHER), newlines, spacesBeforeLast, spaces]
const letters = prefixed(LETTER | NUMBER, LETTER)

/** (?i:'s|…|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,most}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
const llama3With = (most: number) => matches(firstOf(contractionAnyCase, letters, numbers(most), ...afterWord))
const llama3 = llama3With(3)
const qwen2 = llama3With(1)

/** …| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+ after a word whose case counts. */
const casedWith = (mask: number, suffix: boolean, most: number) =>
  matches(
    firstOf(cased(mask, suffix), numbers(most), spacedThenNewlines(NEITHER, true), newlines, spacesBeforeLast, spaces),
  )

/** \p{N}+ */
const numberRuns = matches(numbers(Number.POSITIVE_INFINITY))

const CJK = '3040-309f 30a0-30ff 4e00-9fa5'
const CJK_AND_MORE = '800-9fa5 ac00-d7ff'

/** The letters of DeepSeek LLM's expression: those with case, as of the Unicode it was written for. */
const CASED_LETTERS =
  '41-5a 61-7a b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376-377 37b-37d 37f 386 388-38a 38c 38e-3a1 ' +
  '3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 13f8-13fd 1c90-1cba 1cbd-1cbf 1d00-1d2b 1d6b-1d77 1d79-1d9a ' +
  '1e00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fbc 1fbe 1fc2-1fc4 ' +
  '1fc6-1fcc 1fd0-1fd3 1fd6-1fdb 1fe0-1fec 1ff2-1ff4 1ff6-1ffc 2102 2107 210a-2113 2115 2119-211d 2124 2126 2128 ' +
  '212a-212d 212f-2134 2139 213c-213f 2145-2149 214e 2183-2184 2c00-2c7b 2c7e-2ce4 2ceb-2cee 2cf2-2cf3 a640-a66d ' +
  'a680-a69b a722-a76f a771-a787 a78b-a78e ab70-abbf fb00-fb06 fb13-fb17 ff21-ff3a ff41-ff5a 10400-1044f 104b0-104d3 ' +
  '104d8-104fb 10c80-10cb2 10cc0-10cf2 118a0-118df 1e900-1e943'
/** [!-/:-~！-／：-～‘-‟　-。] */
const MARKS_OF_DEEPSEEK = '21-2f 3a-7e 2018-201f 3000-3002 ff01-ff0f ff1a-ff5e'

/** Scripts written without spaces, as AFMoE's expression lists them; one of its ranges ends far beyond CJK. */
const SCRIPTS_OF_AFMOE = 'e40-eff 1000-109f 1100-11ff 1780-17ff 2f00-2fdf 3040-30ff 3400-4dbf 4e00-faff ff65-ff9f'
/** [！…“”‘’—：；，、-〿︰-﹏] */
const MARKS_OF_YOUTU = '2014 2018-2019 201c-201d 2026 3001-303f fe30-fe4f ff01 ff0c ff1a-ff1b'

const starcoder: PreTokenizer = { stages: [matches(numbers(1)), gpt2] }
/** …[\p{L}\p{M}]+… : as `casedWith`, but llama.cpp does not distinguish case here, not even in ASCII. */
const uncasedWith = (most: number) =>
  matches(
    firstOf(
      wordWithContraction(LETTER | MARK),
      numbers(most),
      spacedThenNewlines(NEITHER, true),
      newlines,
      spacesBeforeLast,
      spaces,
    ),
  )
const poro = matches(spacedNotIn('(|.,!?…。，、।۔،)'))
/** [!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
const deepseekV3 = matches(
  firstOf(
    punctuatedWord,
    prefixed(LETTER | PUNCTUATION | SYMBOL, LETTER | MARK),
    spacedThenNewlines(PUNCTUATION | SYMBOL),
    newlines,
    spacesBeforeLast,
    spaces,
  ),
)

/** Pre-tokenizers and the names they go by. Source: llama.cpp's src/llama-vocab.cpp. */
const FAMILIES: [names: string, preTokenizer: PreTokenizer][] = [
  ['default', { stages: [matches(punctuationOr('$+<=>^~|')), gpt2, numberRuns, matches(threeDigits)] }],
  [
    'llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano',
    { stages: [llama3], ignoreMerges: true, addBos: true },
  ],
  ['dbrx smaug-bpe chatglm-bpe', { stages: [llama3] }],
  ['glm4 glm5', { stages: [llama3], ignoreMerges: true }],
  ['minicpm5', { stages: [matches(numbers(3)), llama3With(Number.POSITIVE_INFINITY)], ignoreMerges: true }],
  [
    'gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 gigachat a.x-4.0 mellum modern-bert jina-es jina-de ' +
      'jina-v1-en jina-v2-es jina-v2-de jina-v2-code roberta-bpe',
    { stages: [gpt2] },
  ],
  ['smollm starcoder refact command-r codeshell exaone minerva-7b mellum2', starcoder],
  [
    'qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2 bailingmoe bailingmoe2 llada-moe',
    { stages: [qwen2] },
  ],
  [
    'qwen35',
    {
      stages: [
        matches(
          firstOf(
            contractionAnyCase,
            prefixed(LETTER | NUMBER, LETTER | MARK),
            numbers(1),
            spacedThenNewlines(PUNCTUATION | SYMBOL | OTHER),
            newlines,
            spacesBeforeLast,
            spaces,
          ),
        ),
      ],
    },
  ],
  ['ufakzeka', { stages: [matches(firstOf(letters, numbers(1), ...afterWord))] }],
  ['laguna', { stages: [matches(lines), qwen2] }],
  [
    'seed-coder',
    {
      stages: [
        matches(firstOf(contractionAnyCase, letters, numbers(1), spacedOther, newlines, spacesBeforeLast, spaces)),
      ],
    },
  ],
  [
    'deepseek-llm',
    {
      stages: [
        matches(newline),
        matches(inSet(CASED_LETTERS, true)),
        matches(inSet(MARKS_OF_DEEPSEEK, true)),
        trailingSpaces,
        matches(inSet(CJK_AND_MORE)),
        numberRuns,
      ],
    },
  ],
  [
    'deepseek-coder',
    {
      stages: [
        matches(newline),
        matches(afterAnySpace(LETTER)),
        matches(afterAnySpace(PUNCTUATION)),
        matches(inSet(CJK_AND_MORE)),
        matches(numbers(1)),
      ],
    },
  ],
  ['deepseek-v3 hunyuan-dense joyai-llm hy_v4', { stages: [matches(numbers(3)), matches(inSet(CJK)), deepseekV3] }],
  [
    'spark2_5',
    {
      stages: [
        matches(numbers(3)),
        matches(inSet(CJK)),
        matches(
          firstOf(
            punctuatedWord,
            prefixed(LETTER | PUNCTUATION | SYMBOL, LETTER | MARK),
            spaced(PUNCTUATION | SYMBOL),
            newline,
            spacesBeforeLast,
            spaces,
          ),
        ),
        matches(numbers(1)),
      ],
    },
  ],
  ['afmoe', { stages: [numbersFromTheEnd, matches(inSet(SCRIPTS_OF_AFMOE)), deepseekV3] }],
  ['tiny_aya cohere2moe', { stages: [numbersFromTheEnd, uncasedWith(3)] }],
  [
    'youtu',
    {
      stages: [
        matches(firstOf(inSet('3131-318e ac00-d7a3'), inSet(MARKS_OF_YOUTU), inSet('3105-312f'), inSet(CJK))),
        uncasedWith(1),
      ],
      ignoreMerges: true,
    },
  ],
  [
    'exaone-moe',
    {
      stages: [
        matches(
          firstOf(
            contractionAnyCase,
            spacedWords,
            numbers(1),
            spacedThenNewlines(NEITHER, true, 1),
            newlines,
            spacesBeforeLast,
            spaces,
          ),
        ),
      ],
    },
  ],
  [
    'jais-2',
    {
      stages: [
        matches(
          firstOf(contractionAnyCase, letters, numbers(3), spacedThenNewlines(NEITHER), newlines, spacesByPowers),
        ),
      ],
    },
  ],
  ['falcon', { stages: [matches(punctuationOr('$+<=>^~|`')), gpt2, matches(threeDigits)] }],
  ['poro-chat bloom gpt3-finnish', { stages: [poro] }],
  ['viking', { stages: [poro, matches(numbers(1))] }],
  ['tekken', { stages: [casedWith(LETTER, false, 1)], ignoreMerges: true, addBos: true }],
  ['gpt-4o llama4 kanana2 talkie minimax-m2', { stages: [casedWith(LETTER, true, 3)] }],
  ['granite-embed-multi-97m', { stages: [casedWith(LETTER | MARK, true, 3)], ignoreMerges: true }],
  ['superbpe', { stages: [numberRuns, threesFromTheEnd] }],
]

const BY_NAME = new Map(FAMILIES.flatMap(([names, value]) => names.split(' ').map((name) => [name, value] as const)))

/** The pre-tokenizer of a `tokenizer.ggml.pre` name; undefined for a name that is not known. */
export function preTokenizer(name: string): PreTokenizer | undefined {
  return BY_NAME.get(name)
}

/** Cuts a text into words: calls `word` with the end of each, in UTF-16 units, in order. */
export function splitWords(pre: PreTokenizer, text: Points, word: (end: number) => void): void {
  const descend = (stage: number, at: number, end: number): void => {
    const apply = pre.stages[stage]
    if (!apply) {
      word(text.offsets[end]!)
      return
    }
    let from = at
    apply(text, at, end, (to) => {
      descend(stage + 1, from, to)
      from = to
    })
  }
  if (text.length > 0) descend(0, 0, text.length)
}
