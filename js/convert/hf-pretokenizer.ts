/**
 * The name in `tokenizer.ggml.pre` for a tokenizer.json's pre_tokenizer. llama.cpp's converter recognises published
 * vocabularies by what they make of one text; here the expressions themselves are compared. Sources: the tokenizer.json files
 * of the models named; llama.cpp's src/llama-vocab.cpp for the names.
 */
import { UnsupportedError } from '../errors.ts'
import { preTokenizer } from '../tokenizer/pretokenizers.ts'
import { asObject, asObjects, type Json } from '../util/json.ts'

const CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
const WORD_END = ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`
const LETTERS = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+'
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]'
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'
const cased = (suffix: string, digits: string) =>
  `split [^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${suffix}|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${suffix}|${digits}|` +
  ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`
const GPT2 = ' ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+'
const PUNCTUATED = '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+'
const THREE_DIGITS = 'split \\p{N}{1,3}'
const KANA = 'split [一-龥\u3040-ゟ゠-ヿ]+'
const CJK = 'split [一-龥ࠀ-一가-퟿]+'

/** Steps, in order, in the spelling of `spell`; `…` ends one of which only the beginning is compared. */
const KNOWN: [name: string, steps: string[]][] = [
  ['gpt-2', ['words']],
  ['gpt-2', [`split 's|'t|'re|'ve|'m|'ll|'d|${GPT2}`, 'bytes']],
  ['smollm', ['digits', 'words']],
  ['llama-bpe', [`split ${CONTRACTION}|${LETTERS}|\\p{N}{1,3}|${WORD_END}`, 'bytes']],
  ['qwen2', [`split ${CONTRACTION}|${LETTERS}|\\p{N}|${WORD_END}`, 'bytes']],
  ['minicpm5', [THREE_DIGITS, `split ${CONTRACTION}|${LETTERS}|\\p{N}+|${WORD_END}`, 'bytes']],
  [
    'qwen35',
    [
      `split ${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${SPACES}`,
      'bytes',
    ],
  ],
  ['seed-coder', [`split ${CONTRACTION}|${LETTERS}|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${SPACES}`, 'bytes']],
  [
    'exaone-moe',
    [
      `split ${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|` +
        ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|${SPACES}`,
      'bytes',
    ],
  ],
  ['tekken', [cased('', '\\p{N}'), 'bytes']],
  ['gpt-4o', [cased(`${CONTRACTION}?`, '\\p{N}{1,3}'), 'bytes']],
  ['deepseek-v3', [THREE_DIGITS, KANA, `split ${PUNCTUATED}| ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`, 'bytes']],
  [
    'deepseek-llm',
    [
      'split [\\r\\n]',
      'split \\s?[A-Za-zµÀ-Ö…',
      'split \\s?[!-/:-~！-／：-～‘-‟　-。]+',
      'split \\s+$',
      CJK,
      'digits',
      'bytes',
    ],
  ],
  ['deepseek-coder', ['split [\\r\\n]', 'split \\s?\\p{L}+', 'split \\s?\\p{P}+', CJK, 'digits', 'bytes']],
]

/** What the converter knows beside the expressions. */
export interface PreTokenizerHints {
  /** The name to take in any case (`--pre`). */
  given?: string | undefined
  /** config.json's architecture. */
  architecture?: string | undefined
  /** BOS is put before a text. */
  addsBos?: boolean
}

/**
 * Names that llama.cpp's converter gives to vocabularies of one expression, by their models. They cut alike and differ in
 * what llama.cpp takes for granted where the metadata do not say.
 */
const KIN: Record<string, Record<string, string>> = {
  'gpt-2': { OlmoForCausalLM: 'olmo', OlmoeForCausalLM: 'olmo', Exaone4ForCausalLM: 'exaone4' },
  smollm: { GraniteForCausalLM: 'refact', GraniteMoeForCausalLM: 'refact', ExaoneForCausalLM: 'exaone' },
  'llama-bpe': { GlmForCausalLM: 'glm4', Glm4ForCausalLM: 'glm4', Glm4MoeForCausalLM: 'glm4' },
  'smaug-bpe': {
    ...Object.fromEntries(
      ['Olmo2', 'Olmo3', 'Granite', 'GraniteMoe', 'GraniteMoeHybrid', 'Phi3'].map((name) => [
        `${name}ForCausalLM`,
        'dbrx',
      ]),
    ),
    GlmForCausalLM: 'chatglm-bpe',
    Glm4ForCausalLM: 'chatglm-bpe',
  },
  qwen2: { StableLmForCausalLM: 'stablelm2' },
  'deepseek-v3': { HunYuanDenseV1ForCausalLM: 'hunyuan-dense' },
}

/** @throws UnsupportedError HF_PRE_TOKENIZER for one that cria does not know */
export function findPreTokenizer(
  tokenizer: Json,
  { given, architecture = '', addsBos }: PreTokenizerHints = {},
): string {
  if (given !== undefined) {
    if (preTokenizer(given)) return given
    const message = `The pre-tokenizer ${given} (--pre) is none that cria has: give a name that llama.cpp writes as tokenizer.ggml.pre, such as llama-bpe.`
    throw new UnsupportedError('HF_PRE_TOKENIZER', message, given)
  }
  const steps = stepsOf(asObject(tokenizer.pre_tokenizer))
  const name = KNOWN.find(([, known]) => matches(known, steps))?.[0]
  if (name === undefined) {
    const shown = steps.join(' → ')
    const message = `tokenizer.json cuts texts in a way that cria does not know (${shown || 'no pre_tokenizer'}). If llama.cpp has a name for it, give it with --pre (such as llama-bpe, gpt-2, qwen2).`
    throw new UnsupportedError('HF_PRE_TOKENIZER', message, shown)
  }
  // Llama 3's expression, but merges count even for a word that is a token.
  const ignoresMerges = asObject(tokenizer.model)?.ignore_merges === true
  const exact = name === 'llama-bpe' && !ignoresMerges ? 'smaug-bpe' : name
  // DeepSeek's distills of Qwen put BOS before a text.
  return KIN[exact]?.[architecture] ?? (exact === 'qwen2' && addsBos ? 'deepseek-r1-qwen' : exact)
}

function matches(known: readonly string[], steps: readonly string[]): boolean {
  const same = (wanted: string, step: string) =>
    wanted.endsWith('…') ? step.startsWith(wanted.slice(0, -1)) : step === wanted
  return known.length === steps.length && known.every((wanted, i) => same(wanted, steps[i]!))
}

/** A pre_tokenizer as one word or expression a step; what does not take part in cutting is left out. */
function stepsOf(step: Json | undefined): string[] {
  if (step === undefined) return []
  switch (step.type) {
    case 'Sequence':
      return asObjects(step.pretokenizers).flatMap(stepsOf)
    case 'ByteLevel':
      if (step.add_prefix_space === true) return ['ByteLevel with add_prefix_space']
      return [step.use_regex === false ? 'bytes' : 'words']
    case 'Digits':
      return [step.individual_digits === true ? 'digits' : 'Digits in runs']
    case 'Split': {
      const source = asObject(step.pattern)?.Regex
      const pieces = step.behavior === 'Isolated' && step.invert !== true
      // Inverted, the expression's matches are what is kept; those that end so match whatever a text has.
      const kept = step.behavior === 'Removed' && step.invert === true && String(source).endsWith('|\\s+')
      return [typeof source === 'string' && (pieces || kept) ? spell(source) : JSON.stringify(step)]
    }
    default:
      return [JSON.stringify(step)]
  }
}

/** Other spellings of the same expressions. */
const SPELLINGS: [from: string, to: string][] = [
  ['\r', '\\r'],
  ['\n', '\\n'],
  ["(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", CONTRACTION],
  ["'(?i:[sdmt]|ll|ve|re)", CONTRACTION],
  ['\\p{N}{1}|', '\\p{N}|'],
  // What follows in these expressions never needs what a possessive quantifier does not give back.
  ['?+', '?'],
  ['++', '+'],
  // The white space before may hold newlines as well.
  ['|\\s*[\\r\\n]|', '|\\s*[\\r\\n]+|'],
]

function spell(source: string): string {
  const spelled = SPELLINGS.reduce((text, [from, to]) => text.replaceAll(from, to), source)
  return spelled === '\\p{N}' ? 'digits' : `split ${spelled}`
}
