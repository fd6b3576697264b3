/** llama.cpp's list of samplers: those that are on, in their order. */

import { ArgumentError } from '../errors.ts'
import { SAMPLERS, type SamplerName } from '../sampler/types.ts'
import { badRequest } from './errors.ts'

/** Names and letters, in llama.cpp's usual order. What cria does not have is off, since whatever switches it on is refused. */
const LETTERS: Readonly<Record<string, string>> = {
  penalties: 'e',
  dry: 'd',
  top_n_sigma: 's',
  top_k: 'k',
  typ_p: 'y',
  top_p: 'p',
  min_p: 'm',
  xtc: 'x',
  temperature: 't',
}
const ALIASES: Readonly<Record<string, string>> = {
  nucleus: 'top_p',
  temp: 'temperature',
  typ: 'typ_p',
  typical: 'typ_p',
  typical_p: 'typ_p',
}
/** llama.cpp's, which cria does not have. */
const MISSING = ['infill', 'adaptive_p']

/** As llama-server names them. */
export const ALL_SAMPLERS: readonly string[] = Object.keys(LETTERS)

const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_]/g, '')

/** Names as llama.cpp takes them: `top_k`, `top-k`, `topk`. @throws ArgumentError SAMPLERS */
export function readSamplers(names: readonly string[]): SamplerName[] {
  return having(
    names
      .filter((name) => name !== '')
      .map((given) => {
        const found = ALL_SAMPLERS.find((name) => plain(name) === plain(given)) ?? ALIASES[given.replaceAll('-', '_')]
        if (found) return found
        const lacks = MISSING.some((name) => plain(name) === plain(given)) ? 'cria has no' : 'there is no'
        const message = `${lacks} sampler ${given}; there is ${ALL_SAMPLERS.join(', ')}.`
        throw new ArgumentError('SAMPLERS', message, given)
      }),
  )
}

/** A letter each: `edskypmxt`. @throws ArgumentError SAMPLERS */
export function samplersFromLetters(letters: string): SamplerName[] {
  return having(
    Array.from(letters, (letter) => {
      const found = ALL_SAMPLERS.find((name) => LETTERS[name] === letter)
      if (found) return found
      const all = ALL_SAMPLERS.map((name) => `${LETTERS[name]} (${name})`).join(', ')
      throw new ArgumentError('SAMPLERS', `there is no sampler ${letter}; there is ${all}.`, letter)
    }),
  )
}

function having(names: string[]): SamplerName[] {
  return names.filter((name): name is SamplerName => (SAMPLERS as readonly string[]).includes(name))
}

/** Of a request. @throws ApiError */
export function samplersOf(samplers: readonly string[] | string): SamplerName[] {
  try {
    return typeof samplers === 'string' ? samplersFromLetters(samplers) : readSamplers(samplers)
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error
    throw badRequest('samplers', `samplers: ${error.message}`, samplers, 'unsupported_parameter')
  }
}
