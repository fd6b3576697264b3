/** cria/tokenizer: the tokenizer alone. */

export { loadTokenizer } from './api/header.ts'
export type { DetokenizeOptions, ModelInput, TokenizeOptions } from './api/types.ts'
export { AbortError, ArgumentError, CriaError, FormatError, SourceError, UnsupportedError } from './errors.ts'
export type { SourceOptions } from './source/source.ts'
export type { StreamDecoder, StreamOptions, Tokenizer } from './tokenizer/tokenizer.ts'
