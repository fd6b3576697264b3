/** cria/gguf: the reader of GGUF headers alone. */

export { readGguf } from './api/header.ts'
export type { ModelInput } from './api/types.ts'
export { AbortError, ArgumentError, CriaError, FormatError, SourceError, UnsupportedError } from './errors.ts'
export type { Gguf, Metadata, MetadataValue, TensorInfo } from './gguf/types.ts'
export type { SourceOptions } from './source/source.ts'
