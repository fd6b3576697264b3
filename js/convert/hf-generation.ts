/** How a model is to be sampled, as generation_config.json has it. Source: llama.cpp's gguf-py, Metadata (keys and order). */
import { FormatError } from '../errors.ts'
import type { MetadataEntry } from '../gguf/writer.ts'
import type { Folder } from './folder.ts'

const FILE = 'generation_config.json'
/** GGUF's names after `general.sampling.`, and those of the file. */
const SETTINGS = [
  ['top_k', 'int32', 'top_k'],
  ['top_p', 'float32', 'top_p'],
  ['min_p', 'float32', 'min_p'],
  ['xtc_probability', 'float32', 'xtc_probability'],
  ['xtc_threshold', 'float32', 'xtc_threshold'],
  ['temp', 'float32', 'temperature'],
  ['penalty_last_n', 'int32', 'penalty_last_n'],
  ['penalty_repeat', 'float32', 'penalty_repeat', 'repetition_penalty'],
  ['mirostat', 'int32', 'mirostat'],
  ['mirostat_tau', 'float32', 'mirostat_tau'],
  ['mirostat_eta', 'float32', 'mirostat_eta'],
] as const

/** @throws FormatError HF_GENERATION for a setting that is no number, or no whole one where it should be */
export async function describeSampling(folder: Folder): Promise<MetadataEntry[]> {
  const json = (await folder.jsonIfPresent(FILE)) ?? {}
  const { sequence } = json
  const order: MetadataEntry[] =
    typeof sequence === 'string' ? [{ key: 'general.sampling.sequence', type: 'string', value: sequence }] : []
  const numbers = SETTINGS.flatMap(([name, type, ...sources]): MetadataEntry[] => {
    const source = sources.find((key) => json[key] !== undefined)
    const value = source === undefined ? undefined : json[source]
    if (value === undefined || value === null) return []
    const isSound = type === 'int32' ? Number.isInteger(value) : Number.isFinite(value)
    if (isSound) return [{ key: `general.sampling.${name}`, type, value: value as number }]
    const message = `${FILE}: ${source} should be a ${type === 'int32' ? 'whole ' : ''}number, but is ${JSON.stringify(value)}. Correct it, or delete the file.`
    throw new FormatError('HF_GENERATION', message, source)
  })
  return [...order, ...numbers]
}
