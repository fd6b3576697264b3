/**
 * Pre-tokenizers against the regular expressions they stand for, run by the engine. The characters are such that every
 * Unicode version since 15.1 has them in one class.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { preTokenizer, splitWords } from '../../js/tokenizer/pretokenizers.ts'
import { classOf, LETTER, MARK, NUMBER, OTHER, PUNCTUATION, points, SPACE, SYMBOL } from '../../js/util/unicode.ts'

const CONTRACTION = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
const WORD = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+'
const REST = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
const UPPER = '(?:(?=\\p{L})[^a-z])'
const LOWER = '(?:(?=\\p{L})[^A-Z])'
const PREFIX = '[^\\r\\n\\p{L}\\p{N}]?'
const PUNCTUATED = '[!"#$%&\'()*+,\\-.\\/:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+'
const SLASHED = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n\\/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

/** Groups of three digits from the end of a run; what is before the run goes with the first. */
const DIGITS_FROM_THE_END = '\\P{N}*\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))'

/** The expressions of each family, applied one after the other. Source: llama.cpp's src/llama-vocab.cpp. */
const EXPRESSIONS: Record<string, string[]> = {
  'gpt-2': [GPT2],
  smollm: ['\\p{N}', GPT2],
  default: ['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'],
  falcon: ['[\\p{P}\\$\\+<=>\\^~\\|`]+', GPT2, '[0-9][0-9][0-9]'],
  'llama-bpe': [`${CONTRACTION}|${WORD}|\\p{N}{1,3}|${REST}`],
  qwen2: [`${CONTRACTION}|${WORD}|\\p{N}|${REST}`],
  minicpm5: ['\\p{N}{1,3}', `${CONTRACTION}|${WORD}|\\p{N}+|${REST}`],
  ufakzeka: [`${WORD}|\\p{N}|${REST}`],
  laguna: ['[^\\n]+|[\\n]+', `${CONTRACTION}|${WORD}|\\p{N}|${REST}`],
  qwen35: [
    `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|` +
      '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  ],
  'seed-coder': [`${CONTRACTION}|${WORD}|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`],
  tekken: [`${PREFIX}${UPPER}*${LOWER}+|${PREFIX}${UPPER}+${LOWER}*|\\p{N}|${SLASHED}`],
  'gpt-4o': [
    `${PREFIX}${UPPER}*${LOWER}+${CONTRACTION}?|${PREFIX}${UPPER}+${LOWER}*${CONTRACTION}?|\\p{N}{1,3}|${SLASHED}`,
  ],
  'deepseek-v3': [
    '\\p{N}{1,3}',
    '[一-龥\\u3040-ゟ゠-ヿ]+',
    `${PUNCTUATED}|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|` +
      '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  ],
  'deepseek-coder': [
    '[\\r\\n]',
    '\\s?\\p{L}+',
    '\\s?\\p{P}+',
    '(?:(?!\\s)[\\u0800-\\u9fa5\\uac00-\\ud7ff])+',
    '\\p{N}',
  ],
  // Of the letters with case only some are listed: those that the texts below hold.
  'deepseek-llm': [
    '[\\r\\n]',
    '\\s?[A-Za-zµÀ-ÖØ-öø-ƺǄ-ʓΣ-ϵᎠ-Ᏽﬀ-ﬆＡ-Ｚａ-ｚ𐐀-𐑏]+',
    '\\s?[!-\\/:-~！-／：-～‘-‟\\u3001-。]+',
    '\\s+$',
    '(?:(?!\\s)[\\u0800-\\u9fa5\\uac00-\\ud7ff])+',
    '\\p{N}+',
  ],
  'poro-chat': [' ?[^(\\s|.,!?…。，、।۔،)]+'],
  viking: [' ?[^(\\s|.,!?…。，、।۔،)]+', '\\p{N}'],
  superbpe: ['\\p{N}+', '(?=(?:\\d{3})+(?!\\d))'],
  'exaone-moe': [
    `${CONTRACTION}|${PREFIX}(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n\\/]?|` +
      '\\s*[\\r\\n]|\\s+(?!\\S)|\\s+',
  ],
  'jais-2': [
    `${CONTRACTION}|${WORD}|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|` +
      `${[512, 256, 128, 64, 32, 16, 8, 4, '1,2'].map((n) => `\\s{${n}}(?!\\S)|`).join('')}\\s`,
  ],
  spark2_5: [
    '\\p{N}{1,3}',
    '[一-龥\\u3040-ゟ゠-ヿ]+',
    `${PUNCTUATED}|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+|[\\r\\n]|\\s+(?!\\S)|\\s+`,
    '\\p{N}',
  ],
  afmoe: [
    DIGITS_FROM_THE_END,
    '[\\u0e40-\\u0e7f\\u0e80-\\u0eff\\u1000-\\u109f\\u1100-\\u11ff\\u1780-\\u17ff\\u2f00-\\u2fdf\\u3040-\\u30ff\\u3400-\\u4dbf' +
      '\\u4e00-\\ufaff\\uff65-\\uff9f]+',
    `${PUNCTUATED}|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|` +
      '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  ],
  tiny_aya: [DIGITS_FROM_THE_END, `${PREFIX}[\\p{L}\\p{M}]+${CONTRACTION}?|\\p{N}{1,3}|${SLASHED}`],
  youtu: [
    '[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，\\u3001-\\u303f\\ufe30-\\ufe4f]+|[ㄅ-ㄯ]+|[一-龥\\u3040-ゟ゠-ヿ]+',
    `${PREFIX}[\\p{L}\\p{M}]+${CONTRACTION}?|\\p{N}|${SLASHED}`,
  ],
}

/** Every match is a piece, what lies between matches as well; the next expression cuts the pieces further. */
function splitByExpressions(text: string, expressions: string[]): string[] {
  let pieces = [text]
  for (const source of expressions) {
    const expression = new RegExp(source, 'gu')
    pieces = pieces.flatMap((piece) => {
      const out: string[] = []
      let at = 0
      for (const { 0: match, index } of piece.matchAll(expression)) {
        out.push(piece.slice(at, index), match)
        at = index + match.length
      }
      out.push(piece.slice(at))
      return out.filter((part) => part !== '')
    })
  }
  return pieces
}

function split(name: string, text: string): string[] {
  const words: string[] = []
  let at = 0
  const pre = preTokenizer(name)
  assert.ok(pre, name)
  splitWords(pre, points(text), (end) => {
    words.push(text.slice(at, end))
    at = end
  })
  return words
}

// U+0085 and U+FEFF are left out: of the two only the engine's \s takes U+FEFF, and only Unicode's White_Space U+0085.
const PARTS = (
  "'s 'S 'll 'LL 'Re 't ' 12 1234567 1 ٣٤ ½ ² Ⅷ the The THE HTTPServer getHTTP Straße ǅ ª ʰ Σ ς é ſ ᎠᎡ ﬀ Ａｂ नमस्ते ภาษาไทย " +
  '你好 ひらがな カタカナ ー 한국어 ㄅㄆ ㄱㆎ ｱｲ ເກ ကခ កខ ︰ ！ ， 。 、 … “ ‘ — ~ ~~ ~a !a != / // $ + <= ^ | ` ( ) .. , ? a_b #x -- {} \\ । ۔ ، 😀 𐐀 𝟘 𠀀 € ° µ'
)
  .split(' ')
  .concat([
    ' ',
    '  ',
    '\n',
    '\r\n',
    '\t',
    '\u00a0',
    '\u3000',
    '\u2028',
    '\0',
    '\u001c',
    '\u200b',
    '\u0301',
    '\n/',
    ' \n ',
  ])

for (const [name, expressions] of Object.entries(EXPRESSIONS)) {
  test(`${name} cuts as its expressions do`, () => {
    let state = 1
    const random = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 0x100000000) * n)
    }
    for (let i = 0; i < 2000; i++) {
      const text = Array.from({ length: 1 + random(10) }, () => PARTS[random(PARTS.length)]).join('')
      assert.equal(split(name, text), splitByExpressions(text, expressions), JSON.stringify(text))
    }
  })
}

test('runs are cut in time that grows with their length', () => {
  const start = performance.now()
  for (const name of Object.keys(EXPRESSIONS)) {
    for (const unit of [' ', '\n', ' \n', 'a', 'A', '1', '.', "'", '\u0301', '你']) {
      const text = `x${unit.repeat(20_000)}x`
      assert.is(split(name, text).join(''), text)
    }
  }
  assert.ok(performance.now() - start < 10_000)
})

test('classes are those of Unicode 15.1, whatever the engine has', () => {
  const of: [string, number][] = [
    ['aÉªʰǅ中𠀀', LETTER],
    ['0٣½Ⅷ𝟘', NUMBER],
    ['\u0301\u0903\u20dd', MARK],
    ['!“_।', PUNCTUATION],
    ['$~€😀', SYMBOL],
    [' \t\u0085\u00a0\u1680\u2028\u3000', SPACE],
    ['\0\u001c\u200b\ufeff\ue000', OTHER],
  ]
  for (const [text, expected] of of) {
    for (const character of text) assert.is(classOf(character.codePointAt(0)!), expected, character)
  }
  // New in 15.1, and new in 16.
  assert.is(classOf(0x2ffc), SYMBOL)
  assert.is(classOf(0x0897), OTHER)
  assert.is(classOf(0x10ffff), OTHER)
})

/** What `tokenizer.ggml.pre` may say in llama.cpp's src/llama-vocab.cpp, but for vocabularies that are no byte-level BPE. */
const NAMES =
  'a.x-4.0 afmoe bailingmoe bailingmoe2 bloom chatglm-bpe codeshell cohere2moe command-r dbrx deepseek-coder deepseek-llm ' +
  'deepseek-r1-qwen deepseek-v3 default exaone exaone-moe exaone4 f2llmv2 falcon falcon-h1 falcon3 gigachat glm4 glm5 gpt-2 ' +
  'gpt-4o gpt3-finnish granite-docling granite-embed-multi-97m grok-2 hunyuan hunyuan-dense hy_v4 jais jais-2 jina-de jina-es ' +
  'jina-v1-en jina-v2-code jina-v2-de jina-v2-es jina-v5-nano joyai-llm kanana2 kormo laguna lfm2 llada-moe llama-bpe llama-v3 ' +
  'llama3 llama4 megrez mellum mellum2 midm-2.0 minerva-7b minicpm5 minimax-m2 modern-bert mpt olmo phi-2 pixtral poro-chat ' +
  'qwen2 qwen35 refact roberta-bpe seed-coder smaug-bpe smollm solar-open spark2_5 stablelm2 starcoder superbpe talkie tekken ' +
  'tiny_aya trillion ufakzeka viking youtu'

test('every name of a byte-level vocabulary has a pre-tokenizer', () => {
  for (const name of NAMES.split(' ')) assert.ok(preTokenizer(name), name)
  const ignoring = NAMES.split(' ').filter((name) => preTokenizer(name)!.ignoreMerges)
  assert.equal(
    ignoring.join(' '),
    'falcon-h1 falcon3 glm4 glm5 granite-embed-multi-97m jina-v5-nano lfm2 llama-bpe llama-v3 llama3 midm-2.0 minicpm5 pixtral ' +
      'tekken youtu',
  )
  const adding = NAMES.split(' ').filter((name) => preTokenizer(name)!.addBos)
  assert.equal(
    adding.join(' '),
    'falcon-h1 falcon3 jina-v5-nano lfm2 llama-bpe llama-v3 llama3 midm-2.0 pixtral tekken',
  )
})

test('a name that is not known has no pre-tokenizer', () => {
  for (const name of ['', 'llama', 'constructor', 'gpt-2 mpt']) assert.is(preTokenizer(name), undefined)
})

test.run()
