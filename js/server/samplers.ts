/** llama-server's `samplers`: which links the chain has. Here their order is fixed, and a link that is left out is off. */
import type { SamplerOptions } from '../sampler/types.ts'
import { badRequest } from './errors.ts'

/** In the order of the chain: names, the letter in a text of letters, and the options that switch the link off. */
const LINKS: readonly [names: string, letter: string, off: SamplerOptions][] = [
  ['penalties', 'e', { repeatLastN: 0 }],
  ['dry', 'd', {}],
  ['top_n_sigma', 's', { topNSigma: -1 }],
  ['top_k', 'k', { topK: 0 }],
  ['typ_p typical_p typical typ', 'y', { typicalP: 1 }],
  ['top_p nucleus', 'p', { topP: 1 }],
  ['min_p', 'm', { minP: 0 }],
  ['xtc', 'x', {}],
  ['temperature temp', 't', { temperature: 1, dynatempRange: 0 }],
]

/** As llama-server names them. */
export const SAMPLERS: readonly string[] = LINKS.map(([names]) => names.split(' ')[0]!)

/**
 * The options that switch off what is left out.
 * @throws ApiError for a link that is unknown, repeated or out of order
 */
export function samplerOptions(samplers: readonly string[] | string): SamplerOptions {
  const asked = typeof samplers === 'string' ? [...samplers] : samplers.map((name) => name.replaceAll('-', '_'))
  const places = asked.map((name) =>
    LINKS.findIndex(([names, letter]) => (typeof samplers === 'string' ? letter : names.split(' ')).includes(name)),
  )
  const wrong = places.findIndex((place, i) => place <= (places[i - 1] ?? -1))
  if (wrong >= 0) {
    const message = `samplers: ${JSON.stringify(asked[wrong])} is not supported there; the order is ${SAMPLERS.join(', ')}.`
    throw badRequest('samplers', message, samplers, 'unsupported_parameter')
  }
  return Object.assign({}, ...LINKS.filter((_, place) => !places.includes(place)).map(([, , off]) => off))
}
