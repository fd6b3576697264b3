/**
 * What a file says of how its model is to be sampled: `general.sampling.*`. Source: llama.cpp's common.cpp (which keys, and how
 * values are read).
 */
import type { Metadata } from '../gguf/types.ts'
import { SAMPLERS, type SamplerName, type SamplerOptions } from '../sampler/types.ts'
import type { Warn } from '../util/warn.ts'

const PREFIX = 'general.sampling.'

/** Of each key the option, and the range beyond which its values mean what the nearest one in it means. */
const NUMBERS = new Map<string, readonly [option: keyof SamplerOptions, low: number, high: number]>([
  ['top_k', ['topK', -1, 1e9]],
  ['top_p', ['topP', 0, 1]],
  ['min_p', ['minP', 0, 1]],
  ['temp', ['temperature', -1, 1e9]],
  ['penalty_last_n', ['repeatLastN', -1, 1e9]],
  ['penalty_repeat', ['repeatPenalty', 1e-45, 1e9]],
  ['xtc_probability', ['xtcProbability', 0, 1]],
  ['xtc_threshold', ['xtcThreshold', 0, 1]],
  ['mirostat', ['mirostat', 0, 2]],
  ['mirostat_tau', ['mirostatTau', 0, 1e9]],
  ['mirostat_eta', ['mirostatEta', 0, 1e9]],
])
const WHOLE = /^(top_k|penalty_last_n|mirostat)$/
/** Other names of samplers, `_` and `-` aside. */
const ALIASES = new Map<string, SamplerName>([
  ['nucleus', 'top_p'],
  ['typ', 'typ_p'],
  ['temp', 'temperature'],
])
/** The file's defaults of a generation's options. `warn` hears of what cannot be obeyed. */
export function samplingOf(metadata: Metadata, warn: Warn): SamplerOptions {
  const options: Record<string, unknown> = {}
  for (const [key, value] of metadata) {
    if (!key.startsWith(PREFIX)) continue
    const name = key.slice(PREFIX.length)
    // As a number is read from text: six decimals, and what begins with one.
    const number =
      typeof value === 'number' ? Number(value.toFixed(6)) : typeof value === 'string' ? parseFloat(value) : NaN
    const [option, low, high] = NUMBERS.get(name) ?? []
    let obeyed = false
    if (option && !Number.isNaN(number)) {
      options[option] = Math.min(high!, Math.max(low!, WHOLE.test(name) ? Math.trunc(number) : number))
      obeyed = true
    } else if (name === 'sequence' && typeof value === 'string') {
      const names = value.split(';').map((one) => one.replaceAll(/[-_]/g, ''))
      const known = names.map(
        (one) => ALIASES.get(one) ?? SAMPLERS.find((sampler) => sampler.replaceAll('_', '') === one),
      )
      obeyed = names.every((one, i) => known[i] ?? one === '')
      if (value) options.samplers = known.filter(Boolean)
    }
    const message = `The file asks for ${key} ${String(value)}, which cria does not have in full: what it has counts.`
    if (!obeyed) warn({ code: 'SAMPLING_METADATA', message })
  }
  return options
}
