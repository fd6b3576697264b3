/** Qwen 2 and 2.5: biases of queries, keys and values. */
import { type Family, type HfConfig, sizes } from './family.ts'
import { feedForward, llamaLayer } from './layers.ts'
import { refuseWindows } from './windows.ts'

/** What Qwen's configurations say of windows where they say nothing. */
export const QWEN = { use_sliding_window: false, sliding_window: 4096, max_window_layers: 28 }
const QWEN2 = { ...sizes(151936, 4096, 22016, 32, 32, 32, 32768), ...QWEN }

export function checkWindows(config: HfConfig): void {
  const { use_sliding_window: used, max_window_layers: first } = config.json
  if (used === true) refuseWindows(config, Number(first))
}

export const qwen2: Family = {
  name: 'qwen2',
  classes: { Qwen2ForCausalLM: QWEN2, Qwen2Model: QWEN2 },
  pools: true,
  check: checkWindows,
  layer: (config) => llamaLayer(config, feedForward(config), { bias: true }),
}
