/** cria/store: models that stay on this device. */

export { AbortError, ArgumentError, CriaError, FormatError, SourceError, UnsupportedError } from './errors.ts'
export type { SourceOptions } from './source/types.ts'
export { models } from './store/models.ts'
export type { DownloadProgress, GetOptions, StoredFile, StoredModel, Verified } from './store/types.ts'
