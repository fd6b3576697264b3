/** cria/tokenizer: the tokenizer alone. */
export type { DetokenizeOptions, ModelInput, TokenizeOptions } from './api.ts'
export { AbortError, ArgumentError, CriaError, FormatError, SourceError, UnsupportedError } from './errors.ts'
export { loadTokenizer } from './header.ts'
export type { SourceOptions } from './source/source.ts'
export type { StreamDecoder, StreamOptions, Tokenizer } from './tokenizer/tokenizer.ts'
