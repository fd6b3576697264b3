/** Models as a provider of the Vercel AI SDK. */
import type { Model } from '../api/types.ts'
import { ArgumentError } from '../errors.ts'
import { invalid } from '../util/check.ts'
import { embeddingModel } from './embedding-model.ts'
import { languageModel } from './language-model.ts'
import type { EmbeddingModelV4, LanguageModelV4 } from './specification.ts'

/** A model, or what will be one: a promise, or a function that is called when the model is first used. */
export type ModelSource = Model | PromiseLike<Model> | (() => Model | PromiseLike<Model>)

/** Gives models by their names; without a name, the one that `createCria` was given alone or as `default`. */
export interface CriaProvider {
  (modelId?: string): LanguageModelV4
  readonly specificationVersion: 'v4'
  languageModel(modelId?: string): LanguageModelV4
  embeddingModel(modelId?: string): EmbeddingModelV4
  /** @throws ArgumentError NO_SUCH_MODEL: cria makes no images */
  imageModel(modelId: string): never
}

/** Of a model that has no other name. */
const DEFAULT = 'default'

/**
 * A provider for the AI SDK: `generateText({ model: createCria(await load('model.gguf'))(), prompt })`. The models run in this
 * process, or in its workers; closing them is up to the caller.
 *
 * @param models a model, or several by names of yours
 * @throws ArgumentError INVALID_OPTION for what is none; a provider's calls throw NO_SUCH_MODEL for a name that there is not
 */
export function createCria(models: ModelSource | Readonly<Record<string, ModelSource>>): CriaProvider {
  if (!isObject(models)) throw invalid('models', 'a model, or models by name', models)
  const named = isSource(models) ? { [DEFAULT]: models } : models
  const loaders = new Map(Object.entries(named).map(([name, source]) => [name, loaderOf(name, source)]))
  if (loaders.size === 0) throw invalid('models', 'at least one model', models)
  const loaderNamed = (modelId: string): (() => Promise<Model>) => {
    const found = loaders.get(modelId)
    if (found) return found
    const names = [...loaders.keys()].join(', ')
    throw new ArgumentError('NO_SUCH_MODEL', `There is no model ${modelId} here; there is ${names}.`, modelId)
  }
  const language = (modelId = DEFAULT): LanguageModelV4 => languageModel(modelId, loaderNamed(modelId))
  return Object.assign((modelId?: string) => language(modelId), {
    specificationVersion: 'v4' as const,
    languageModel: language,
    embeddingModel: (modelId = DEFAULT): EmbeddingModelV4 => embeddingModel(modelId, loaderNamed(modelId)),
    imageModel(modelId: string): never {
      throw new ArgumentError('NO_SUCH_MODEL', `There is no model ${modelId} for images: cria has none.`, modelId)
    },
  })
}

function isObject(value: unknown): boolean {
  return value !== null && ['object', 'function'].includes(typeof value)
}

function isModel(value: unknown): value is Model {
  return typeof (value as Partial<Model> | null)?.generate === 'function'
}

function isSource(value: ModelSource | Readonly<Record<string, ModelSource>>): value is ModelSource {
  return isModel(value) || typeof value === 'function' || typeof (value as { then?: unknown }).then === 'function'
}

/** What gives a model, the same one each time; a load that failed is tried again by the next call. */
function loaderOf(name: string, source: ModelSource): () => Promise<Model> {
  const check = (model: unknown): Model => {
    if (isModel(model)) return model
    throw invalid(`models.${name}`, 'a model, or what loads one', model)
  }
  if (!isObject(source)) check(source)
  let loading: Promise<Model> | undefined
  const load = async (): Promise<Model> => check(await (typeof source === 'function' ? source() : source))
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined
      throw error
    })
    return loading
  }
}
