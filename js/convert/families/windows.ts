/** Layers that see a window of positions only. */
import { UnsupportedError } from '../../errors.ts'
import type { HfConfig } from './family.ts'
import { wrong } from './values.ts'

const KINDS = ['full_attention', 'sliding_attention']

/** Which layers are windowed: as layer_types has it, or by a pattern, or all but every nth. */
export function windowedLayers({ json, blockCount }: HfConfig, every: number): boolean[] {
  const layers = Array.from({ length: blockCount }, (_, i) => i)
  const types: unknown = json.layer_types
  if (Array.isArray(types)) {
    if (types.length === blockCount && types.every((type) => KINDS.includes(type)))
      return types.map((type) => type === KINDS[1])
    throw wrong('layer_types', `${blockCount} times ${KINDS.join(' or ')}`, types)
  }
  const pattern = json.sliding_window_pattern ?? json._sliding_window_pattern ?? every
  if (typeof pattern === 'string' && /^[LG]+$/.test(pattern))
    return layers.map((i) => pattern[i % pattern.length] === 'L')
  if (Number.isInteger(pattern) && (pattern as number) >= 1)
    return layers.map((i) => (i + 1) % (pattern as number) !== 0)
  throw wrong('sliding_window_pattern', 'a whole number above 0, or letters L and G', pattern)
}

/** @throws UnsupportedError HF_WINDOW where all layers from `first` on are windowed and the context is longer */
export function refuseWindows({ json, family, contextLength, blockCount }: HfConfig, first = 0): void {
  const { sliding_window: window, layer_types: types } = json
  const some = Array.isArray(types) ? types.includes(KINDS[1]) : first < blockCount
  if (!some || typeof window !== 'number' || window >= contextLength) return
  const message = `Layers of the model see ${window} positions only (sliding_window), which GGUF's ${family.name} cannot say: longer texts would give other results. Set max_position_embeddings in config.json to ${window} to convert it for texts up to there.`
  throw new UnsupportedError('HF_WINDOW', message, window)
}
