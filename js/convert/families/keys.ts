/** The metadata of an architecture. Source: llama.cpp's converter (keys, their types and order). */
import { bool, float32, type HfConfig, type Key, uint32 } from './family.ts'
import { scalingKeys } from './rope.ts'
import { positive } from './values.ts'

const FILE_TYPE = 'general.file_type'

/** The keys under the architecture's prefix, `general.file_type` among them. */
export function describeArchitecture(config: HfConfig, fileType: number): Key[] {
  const { family } = config
  const keys = new Map<string, Key>()
  const add = (list: readonly Key[]) => {
    for (const key of list) keys.set(key.key, key)
  }
  add(commonKeys(config))
  add([uint32(FILE_TYPE, fileType)])
  const own = family.keys?.(config) ?? []
  add(own)
  if (family.order === undefined) return withPrefix(config, [...keys.values()])
  const order = family.order.split(' ')
  const rest = own.filter(({ key }) => !order.includes(key))
  return withPrefix(config, [...order.flatMap((name) => keys.get(name) ?? []), ...rest])
}

/** Keys before `general.type`. */
export function firstKeys(config: HfConfig): Key[] {
  return withPrefix(config, config.family.first?.(config) ?? [])
}

export function withPrefix({ family }: HfConfig, keys: readonly Key[]): Key[] {
  return keys.map((entry) => ({ ...entry, key: entry.key === FILE_TYPE ? entry.key : `${family.name}.${entry.key}` }))
}

function commonKeys(config: HfConfig): Key[] {
  const { json, rope, keyLength, expertCount } = config
  const epsilon = (name: string, ...sources: string[]): Key[] => {
    const source = sources.find((key) => json[key] !== undefined && json[key] !== null)
    return source === undefined ? [] : [float32(name, positive(json, source))]
  }
  return [
    uint32('block_count', config.blockCount),
    uint32('context_length', config.contextLength),
    uint32('embedding_length', config.embeddingLength),
    uint32('feed_forward_length', config.feedForwardLength),
    uint32('attention.head_count', config.headCount),
    uint32('attention.head_count_kv', config.headCountKv),
    ...(json.is_causal === false ? [bool('attention.causal', false)] : []),
    ...scalingKeys(config),
    float32('rope.freq_base', rope.base),
    ...(rope.baseSwa === undefined ? [] : [float32('rope.freq_base_swa', rope.baseSwa)]),
    ...epsilon('attention.layer_norm_rms_epsilon', 'rms_norm_eps', 'norm_eps'),
    ...epsilon('attention.layer_norm_epsilon', 'layer_norm_eps', 'layer_norm_epsilon'),
    ...(expertCount > 0
      ? [uint32('expert_count', expertCount), uint32('expert_used_count', config.expertUsedCount)]
      : []),
    ...(keyLength === undefined
      ? []
      : [uint32('attention.key_length', keyLength), uint32('attention.value_length', keyLength)]),
  ]
}

/** Where the usual order leaves rotation out: what is not as readers have it without any key. */
export function unusualRotation(config: HfConfig): Key[] {
  const { base, baseSwa = base, scaling } = config.rope
  return [
    ...(base === 10000 ? [] : [float32('rope.freq_base', base)]),
    ...(baseSwa === base ? [] : [float32('rope.freq_base_swa', baseSwa)]),
    ...(scaling === 'longrope' ? [] : scalingKeys(config)),
  ]
}
