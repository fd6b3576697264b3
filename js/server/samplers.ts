/** llama.cpp's list of samplers: those that are on, in their order. */

import { ArgumentError } from '../errors.ts'
import { SAMPLERS, type SamplerName } from '../sampler/types.ts'
import { either, type FieldRule, list, rule, text } from './rules.ts'

/** Names and letters, in llama.cpp's usual order. */
const LETTERS: Readonly<Record<SamplerName, string>> = {
  penalties: 'e',
  dry: 'd',
  top_n_sigma: 's',
  top_k: 'k',
  typ_p: 'y',
  top_p: 'p',
  min_p: 'm',
  xtc: 'x',
  temperature: 't',
  adaptive_p: 'a',
}
const ALIASES: Readonly<Record<string, SamplerName>> = {
  nucleus: 'top_p',
  temp: 'temperature',
  typ: 'typ_p',
  typical: 'typ_p',
  typical_p: 'typ_p',
}
/** llama.cpp's, which cria does not have. */
const MISSING = ['infill']

const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_]/g, '')

/** Names as llama.cpp takes them: `top_k`, `top-k`, `topk`. @throws ArgumentError SAMPLERS */
export function readSamplers(names: readonly string[]): SamplerName[] {
  return names
    .filter((name) => name !== '')
    .map((given) => {
      const found = SAMPLERS.find((name) => plain(name) === plain(given)) ?? ALIASES[given.replaceAll('-', '_')]
      if (found) return found
      const lacks = MISSING.some((name) => plain(name) === plain(given)) ? 'cria has no' : 'there is no'
      throw new ArgumentError('SAMPLERS', `${lacks} sampler ${given}; there is ${SAMPLERS.join(', ')}.`, given)
    })
}

/** A letter each: `edskypmxta`. @throws ArgumentError SAMPLERS */
export function samplersFromLetters(letters: string): SamplerName[] {
  return Array.from(letters, (letter) => {
    const found = SAMPLERS.find((name) => LETTERS[name] === letter)
    if (found) return found
    const all = SAMPLERS.map((name) => `${LETTERS[name]} (${name})`).join(', ')
    throw new ArgumentError('SAMPLERS', `there is no sampler ${letter}; there is ${all}.`, letter)
  })
}

/** Of a request: names, or a text of letters. */
export const samplers: FieldRule<SamplerName[]> = (() => {
  const name = rule<string>('the name of a sampler', (x) => typeof x === 'string', { enum: SAMPLERS })
  const letters = { type: 'string', maxLength: 32, pattern: `^[${Object.values(LETTERS).join('')}]*$` }
  const given = either<string[], string>((x) => Array.isArray(x), list(name, 0, 32), { ...text(32), schema: letters })
  return {
    ...given,
    read: (value, path, faults) => {
      const names = given.read(value, path, faults)
      if (names === undefined || faults.worst) return undefined
      try {
        return typeof names === 'string' ? samplersFromLetters(names) : readSamplers(names)
      } catch (error) {
        if (!(error instanceof ArgumentError)) throw error
        return faults.add('unsupported', path, `is not supported: ${error.message.slice(0, -1)}`, value)
      }
    },
  }
})()
