/** What architectures with experts have in common. */
import type { Keys } from './architecture.ts'
import type { ModelConfig } from './config.ts'
import type { Finder, LayerTensors } from './tensors.ts'

/** Experts of a size of their own; without the key, the dense size shared out over those that a token takes. */
export function expertWidths(keys: Keys, config: ModelConfig): Partial<ModelConfig> {
  const { feedForwardLength, expertUsedCount } = config
  const shared = Math.floor(feedForwardLength / Math.max(1, expertUsedCount))
  return { expertFeedForwardLength: keys.layerSize('expert_feed_forward_length', shared) }
}

/** The network that every token takes beside its experts. */
export function sharedExpert(find: Finder, config: ModelConfig, i: number): Pick<LayerTensors, 'shared'> {
  const { expertSharedFeedForwardLength: width } = config
  return width > 0 ? { shared: find.feedForward(i, width, '_shexp') } : {}
}
