/** Random regular expressions of ECMAScript, of all that can be enforced. */
import type { Draws } from './random-draws.ts'

const ATOMS = [
  'a',
  'bc',
  'é',
  '🦙',
  '\\d',
  '\\w',
  '\\s',
  '\\S',
  '.',
  '[a-f]',
  '[^a-z\\s]',
  '[\\dé-ü]',
  '\\n',
  '\\.',
  '"',
]
const ASSERTIONS = ['(?=\\w)', '(?![a-c])', '(?=.{2})', '(?!.*🦙)', '^', '$']
const QUANTIFIERS = ['*', '+', '?', '{2}', '{1,3}', '{2,}', '*?', '+?', '??']
const BOUNDED = ['?', '{2}', '{0,2}', '{1,3}']
const DEEPEST = 3

/** Without repetitions without end in others, on which JavaScript's own might take for ever. */
export function randomPattern({ count, pick, often }: Draws): string {
  const atom = (): string => pick(ATOMS)
  const partOf = (depth: number): string => {
    if (depth === 0 || often(0.4)) {
      const one = atom()
      const whole = one.length > 1 && !/^[\\[]/.test(one) ? `(?:${one})` : one
      return often(0.5) ? whole + pick(QUANTIFIERS) : one
    }
    if (often(0.12)) return pick(ASSERTIONS)
    const inner = `(?:${sequenceOf(depth - 1)})`
    return often(0.4) ? inner + pick(BOUNDED) : inner
  }
  const sequenceOf = (depth: number): string => {
    const one = () => Array.from({ length: count(1, 3) }, () => partOf(depth)).join('')
    return Array.from({ length: often(0.3) ? count(2, 3) : 1 }, one).join('|')
  }
  return sequenceOf(DEEPEST)
}
