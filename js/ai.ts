/** cria/ai: models as a provider of the Vercel AI SDK, in process. */

export type { CriaEmbeddingOptions } from './ai/embedding-model.ts'
export { type CriaProvider, createCria, type ModelSource } from './ai/provider.ts'
export type { CriaProviderOptions } from './ai/settings.ts'
export type { EmbeddingModelV4, LanguageModelV4 } from './ai/specification.ts'
