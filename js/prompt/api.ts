/** Chrome's Prompt API with a model of cria. */
import type { Model, Progress } from '../api/types.ts'
import { untilAborted } from '../util/abort.ts'
import { invalid } from '../util/check.ts'
import { asDomException, domException } from './errors.ts'
import { inputOf, isSupported, MAX_TEMPERATURE, samplingOf } from './input.ts'
import { DEFAULT_TEMPERATURE, DEFAULT_TOP_K, Session } from './session.ts'
import type { PromptApi, PromptAvailability, PromptCreateOptions, PromptModel, PromptSession } from './types.ts'

/** Larger cuts than any vocabulary has a use for are taken as this. */
const MAX_TOP_K = 128

/**
 * A class as pages know it by the name `LanguageModel`; nothing is installed.
 *
 * @param source where sessions take their model from; closing it is up to the caller
 * @throws ArgumentError INVALID_OPTION for what is no model
 */
export function createPromptApi(source: PromptModel): PromptApi {
  const loader = new PromptLoader(source)
  return class LanguageModel extends Session {
    /** Stated, as the code in dist/ has its own names. */
    static override readonly name: string = 'LanguageModel'

    static async create(options: PromptCreateOptions = {}): Promise<PromptSession> {
      const { signal, monitor, initialPrompts, tools = [] } = options
      const initial = initialPrompts ? inputOf(initialPrompts, false).messages : []
      const sampling = samplingOf(options, MAX_TOP_K)
      if (!isSupported(options)) {
        throw domException(
          'NotSupportedError',
          'The model takes and gives text, and calls tools: nothing else can be expected.',
        )
      }
      let context = 0
      try {
        const model = await untilAborted(loader.load(monitorOf(monitor, signal)), signal, 'The session')
        context = model.info.context
        const session = new LanguageModel({ model, sampling, tools: [...tools], initial, turns: [], usage: 0 })
        await session.begin(signal)
        signal?.addEventListener('abort', () => session.end(signal.reason), { once: true })
        return session
      } catch (error) {
        throw asDomException(error, 'OperationError', context)
      }
    }

    static async availability(options: PromptCreateOptions = {}): Promise<PromptAvailability> {
      samplingOf(options, MAX_TOP_K)
      return isSupported(options) ? loader.availability : 'unavailable'
    }

    static async params() {
      const { topK, temperature } = (await loader.load(() => {})).info.sampling
      return {
        defaultTopK: topK ?? DEFAULT_TOP_K,
        maxTopK: MAX_TOP_K,
        defaultTemperature: temperature ?? DEFAULT_TEMPERATURE,
        maxTemperature: MAX_TEMPERATURE,
      }
    }
  }
}

/**
 * Makes `globalThis.LanguageModel`, where there is none.
 *
 * @param options `replace`: in the place of the browser's own, too
 * @returns whether it is cria's now
 */
export function installPromptApi(source: PromptModel, options: { replace?: boolean } = {}): boolean {
  if ('LanguageModel' in globalThis && !options.replace) return false
  const value = createPromptApi(source)
  Object.defineProperty(globalThis, 'LanguageModel', { value, writable: true, configurable: true, enumerable: false })
  return true
}

/** Tells a page's monitor how much of the model is there, 0 to 1, until it no longer waits. */
function monitorOf(monitor: PromptCreateOptions['monitor'], signal: AbortSignal | undefined): (loaded: number) => void {
  if (!monitor) return () => {}
  const target = new EventTarget()
  monitor(target)
  return (loaded) => {
    if (signal?.aborted) return
    const event = Object.assign(new Event('downloadprogress'), { loaded, total: 1, lengthComputable: true })
    ;(target as { ondownloadprogress?: (event: Event) => void }).ondownloadprogress?.(event)
    target.dispatchEvent(event)
  }
}

/** Loads the model once, for all sessions. */
class PromptLoader {
  availability: PromptAvailability
  private loading: Promise<Model> | undefined
  private loaded = 0
  private readonly listeners = new Set<(loaded: number) => void>()

  constructor(private readonly source: PromptModel) {
    if (source === null || !['object', 'function'].includes(typeof source)) {
      throw invalid('model', 'a model, or what loads one', source)
    }
    this.availability = typeof source === 'function' ? 'downloadable' : isModel(source) ? 'available' : 'downloading'
  }

  /** `listener` hears how much is there, from 0 to 1; both are always told. */
  async load(listener: (loaded: number) => void): Promise<Model> {
    listener(0)
    this.listeners.add(listener)
    if (this.loaded > 0 && this.loaded < 1) listener(this.loaded)
    try {
      this.loading ??= this.begin().catch((error: unknown) => {
        // The next session tries again.
        this.loading = undefined
        this.loaded = 0
        this.availability = typeof this.source === 'function' ? 'downloadable' : 'unavailable'
        throw error
      })
      const model = await this.loading
      this.loaded = 1
      listener(1)
      return model
    } finally {
      this.listeners.delete(listener)
    }
  }

  private async begin(): Promise<Model> {
    const { source } = this
    if (this.availability === 'downloadable') this.availability = 'downloading'
    const onProgress = ({ phase, done, total }: Progress): void => {
      if (phase !== 'weights' || total === 0 || done >= total) return
      this.loaded = done / total
      for (const listener of this.listeners) listener(this.loaded)
    }
    const model = await (typeof source === 'function' ? source({ onProgress }) : source)
    if (!isModel(model)) throw invalid('model', 'a model, or what loads one', model)
    this.availability = 'available'
    return model
  }
}

function isModel(value: unknown): value is Model {
  return typeof (value as Partial<Model> | null)?.chat === 'function'
}
