/**
 * llama.cpp's list of samplers: those that are on, in their order. cria's chain has one order, llama.cpp's usual one; samplers
 * that are left out are switched off by values that change nothing.
 */

import { ArgumentError } from '../errors.ts'
import type { SamplerOptions } from '../sampler/types.ts'

/** In the order of the chain: name, letter, other names, and the options that switch it off. */
const SAMPLERS = {
  penalties: { letter: 'e', off: { repeatLastN: 0 } },
  dry: { letter: 'd', off: {} },
  top_n_sigma: { letter: 's', off: { topNSigma: -1 } },
  top_k: { letter: 'k', off: { topK: 0 } },
  typ_p: { letter: 'y', off: { typicalP: 1 } },
  top_p: { letter: 'p', off: { topP: 1 } },
  min_p: { letter: 'm', off: { minP: 0 } },
  xtc: { letter: 'x', off: {} },
  temperature: { letter: 't', off: { temperature: 1, dynatempRange: 0 } },
} as const satisfies Record<string, { letter: string; off: SamplerOptions }>

export type SamplerName = keyof typeof SAMPLERS

const NAMES = Object.keys(SAMPLERS) as SamplerName[]
const ALIASES: Readonly<Record<string, SamplerName>> = {
  nucleus: 'top_p',
  temp: 'temperature',
  typ: 'typ_p',
  typical_p: 'typ_p',
}
/** llama.cpp's, which cria does not have. */
const MISSING = ['infill', 'adaptive_p']

/** Names as llama.cpp takes them: `top_k`, `top-k`, `topk`. @throws ArgumentError SAMPLERS */
export function readSamplers(names: readonly string[]): SamplerName[] {
  return names
    .filter((name) => name !== '')
    .map((given) => {
      const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_]/g, '')
      const found = NAMES.find((name) => plain(name) === plain(given)) ?? ALIASES[given]
      if (found) return found
      const lacks = MISSING.some((name) => plain(name) === plain(given))
        ? `cria has no sampler ${given}`
        : `there is no sampler ${given}`
      throw new ArgumentError('SAMPLERS', `${lacks}; there is ${NAMES.join(', ')}.`, given)
    })
}

/** A letter each: `edskypmxt`. @throws ArgumentError SAMPLERS */
export function samplersFromLetters(letters: string): SamplerName[] {
  return Array.from(letters, (letter) => {
    const found = NAMES.find((name) => SAMPLERS[name].letter === letter)
    if (found) return found
    const all = NAMES.map((name) => `${SAMPLERS[name].letter} (${name})`).join(', ')
    throw new ArgumentError('SAMPLERS', `there is no sampler ${letter}; there is ${all}.`, letter)
  })
}

/** The options with all samplers off but those. @throws ArgumentError SAMPLERS for an order that changes the result */
export function withSamplers<T extends SamplerOptions>(options: T, on: readonly SamplerName[]): T {
  const active = on.filter((name) => isActive(name, options)).map((name) => NAMES.indexOf(name))
  if (active.some((place, i) => i > 0 && place <= active[i - 1]!)) {
    const message = `cria samples in the order ${NAMES.join(';')}, not ${on.join(';')}.`
    throw new ArgumentError('SAMPLERS', message, on)
  }
  return Object.assign({ ...options }, ...NAMES.filter((name) => !on.includes(name)).map((name) => SAMPLERS[name].off))
}

/** Whether the sampler does anything, with llama.cpp's defaults. */
function isActive(name: SamplerName, o: SamplerOptions): boolean {
  const { repeatPenalty = 1, frequencyPenalty = 0, presencePenalty = 0, temperature = 0.8 } = o
  switch (name) {
    case 'penalties':
      return repeatPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0
    case 'top_n_sigma':
      return (o.topNSigma ?? -1) > 0
    case 'top_k':
      return (o.topK ?? 40) > 0
    case 'typ_p':
      return (o.typicalP ?? 1) < 1
    case 'top_p':
      return (o.topP ?? 0.95) < 1
    case 'min_p':
      return (o.minP ?? 0.05) > 0
    case 'temperature':
      return temperature !== 1 || (o.dynatempRange ?? 0) > 0
    default:
      // cria does not have it: the flags and fields that would switch it on are refused.
      return false
  }
}
