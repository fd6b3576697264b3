/** Options of `generate` that hold where a request does not say. */
import type { GenerateOptions } from '../api/types.ts'
import { resolve as resolveSampler, SAMPLER_OPTIONS } from '../sampler/options.ts'
import { StopMatcher } from '../sampler/stop.ts'
import type { SamplerOptions } from '../sampler/types.ts'
import { checkOptions, checkTypes, invalid, type OptionNames } from '../util/check.ts'

/** Options of `generate` that a server may have a default for. */
export type GenerationDefaults = Pick<
  GenerateOptions,
  keyof SamplerOptions | 'stop' | 'ignoreEos' | 'contextShift' | 'keep' | 'showSpecial'
>

const NAMES: OptionNames<GenerationDefaults> = {
  ...SAMPLER_OPTIONS,
  stop: true,
  ignoreEos: true,
  contextShift: true,
  keep: true,
  showSpecial: true,
}

/** @throws ArgumentError INVALID_OPTION for a name that there is not, and for a value that a request would fail by */
export function checkDefaults(defaults: GenerationDefaults, vocabularySize: number): void {
  checkOptions(defaults, NAMES)
  const { stop, keep } = defaults
  checkTypes(defaults, 'boolean', ['ignoreEos', 'contextShift', 'showSpecial'])
  if (stop !== undefined) new StopMatcher(typeof stop === 'string' ? [stop] : stop)
  if (keep !== undefined && !(Number.isInteger(keep) && keep >= -1)) {
    throw invalid('keep', 'a whole number of at least -1', keep)
  }
  resolveSampler(defaults, vocabularySize)
}
