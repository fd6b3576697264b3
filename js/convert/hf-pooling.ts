/** How a sentence-transformers folder pools embeddings. Source: llama.cpp's converter. */
import { FormatError } from '../errors.ts'
import type { MetadataEntry } from '../gguf/writer.ts'
import { asObjects } from '../util/json.ts'
import { type HfConfig, uint32 } from './families/family.ts'
import { withPrefix } from './families/keys.ts'
import type { Folder } from './folder.ts'

const MODULES = 'modules.json'
/** llama.cpp's numbers of kinds, and what folders call them. */
const KINDS = [
  [1, 'pooling_mode_mean_tokens', 'mean'],
  [2, 'pooling_mode_cls_token', 'cls'],
  [3, 'pooling_mode_lasttoken', 'lasttoken'],
] as const

/** `pooling_type`, where the folder has modules.json. @throws FormatError HF_POOLING for other kinds */
export async function describePooling(folder: Folder, config: HfConfig): Promise<MetadataEntry[]> {
  if (!config.family.pools || !folder.has(MODULES)) return []
  const modules = asObjects(await folder.array(MODULES))
  const pooling = modules.find(({ type }) => String(type).endsWith('Pooling'))
  if (!pooling) return []
  const path = `${String(pooling.path)}/config.json`
  const json = await folder.json(path)
  const kind = KINDS.find(([, flag]) => json[flag] === true) ?? KINDS.find(([, , name]) => json.pooling_mode === name)
  if (kind) return withPrefix(config, [uint32('pooling_type', kind[0])])
  const message = `${path} names another pooling than ${KINDS.map(([, , name]) => name).join(', ')}, which GGUF has not.`
  throw new FormatError('HF_POOLING', message, json.pooling_mode)
}
