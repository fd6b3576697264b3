/** A model's embeddings as the AI SDK calls them. */
import type { EmbedOptions, Model } from '../api/types.ts'
import { untilAborted } from '../util/abort.ts'
import { providerOptionsOf, warnOfHeaders } from './settings.ts'
import type { EmbeddingModelV4, SharedV4Warning } from './specification.ts'

/** `providerOptions.cria` of an embedding. */
export type CriaEmbeddingOptions = Omit<EmbedOptions, 'signal'>

/** @param load gives the model, which is loaded by the first call */
export function embeddingModel(modelId: string, load: () => Promise<Model>): EmbeddingModelV4 {
  return {
    specificationVersion: 'v4',
    provider: 'cria',
    modelId,
    maxEmbeddingsPerCall: undefined,
    supportsParallelCalls: true,
    async doEmbed({ values, dimensions, abortSignal, headers, providerOptions }) {
      const options = providerOptionsOf<CriaEmbeddingOptions>(providerOptions?.cria, { pooling: true, normalize: true })
      const model = await untilAborted(load(), abortSignal, 'The embedding')
      const warnings: SharedV4Warning[] = []
      warnOfHeaders(headers, warnings)
      const { embeddingLength } = model.info
      if (dimensions !== undefined && dimensions !== embeddingLength) {
        const details = `The model’s embeddings have ${embeddingLength} dimensions.`
        warnings.push({ type: 'unsupported', feature: 'dimensions', details })
      }
      const { embeddings, tokens } = await model.embed(values, {
        ...options,
        ...(abortSignal && { signal: abortSignal }),
      })
      return {
        embeddings: embeddings.map((embedding) => Array.from(embedding)),
        usage: { tokens: tokens.reduce((sum, count) => sum + count, 0) },
        warnings,
      }
    },
  }
}
