/**
 * The name in `tokenizer.ggml.pre` for a tokenizer.json's pre_tokenizer. llama.cpp's converter tells them apart by what
 * published vocabularies make of a text; here the expressions themselves are compared. Sources: the tokenizer.json files of
 * the models named; llama.cpp's src/llama-vocab.cpp for the names.
 */
import { UnsupportedError } from '../errors.ts'
import { preTokenizer } from '../tokenizer/pretokenizers.ts'
import { asObject, asObjects, type Json } from './folder.ts'

const WORD_END = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
const LETTERS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
const LLAMA3 = `split ${LETTERS}|\\p{N}{1,3}|${WORD_END}`
const QWEN2 = `split ${LETTERS}|\\p{N}|${WORD_END}`
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]'
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]'
const TEKKEN =
  `split [^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*|\\p{N}|` +
  ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
const CJK = 'split [一-龥ࠀ-一가-퟿]+'

/** Steps, in order; `…` ends one of which only the beginning is compared. */
const KNOWN: [name: string, steps: string[]][] = [
  ['gpt-2', ['words']],
  ['smollm', ['digits', 'words']],
  ['llama-bpe', [LLAMA3, 'bytes']],
  ['qwen2', [QWEN2, 'bytes']],
  ['tekken', [TEKKEN, 'bytes']],
  [
    'deepseek-llm',
    [
      'split [\r\n]',
      'split \\s?[A-Za-zµÀ-Ö…',
      'split \\s?[!-/:-~！-／：-～‘-‟　-。]+',
      'split \\s+$',
      CJK,
      'digits',
      'bytes',
    ],
  ],
  ['deepseek-coder', ['split [\r\n]', 'split \\s?\\p{L}+', 'split \\s?\\p{P}+', CJK, 'digits', 'bytes']],
]

/**
 * @param given the name to take in any case (`--pre`)
 * @throws UnsupportedError HF_PRE_TOKENIZER for one that cria does not know
 */
export function findPreTokenizer(tokenizer: Json, given?: string): string {
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
  const ignoreMerges = asObject(tokenizer.model)?.ignore_merges === true
  return name === 'llama-bpe' && !ignoreMerges ? 'smaug-bpe' : name
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
      const pattern = asObject(step.pattern)
      const plain = step.behavior === 'Isolated' && step.invert !== true && typeof pattern?.Regex === 'string'
      return [plain ? `split ${pattern.Regex}` : JSON.stringify(step)]
    }
    default:
      return [JSON.stringify(step)]
  }
}
