/** A model as the AI SDK calls it. */
import type { ChatMessage, ChatOptions, Model } from '../api/types.ts'
import { AbortError } from '../errors.ts'
import { underAny, untilAborted } from '../util/abort.ts'
import { contentOf, endingOf, FAILED, PartWriter } from './parts.ts'
import { messagesOf } from './prompt.ts'
import { chatOptionsOf } from './settings.ts'
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4StreamPart,
  SharedV4Warning,
} from './specification.ts'

/** A call, ready to be made. */
interface Prepared {
  model: Model
  messages: ChatMessage[]
  options: ChatOptions
  warnings: SharedV4Warning[]
}

/** @param load gives the model, which is loaded by the first call */
export function languageModel(modelId: string, load: () => Promise<Model>): LanguageModelV4 {
  const prepare = async (call: LanguageModelV4CallOptions): Promise<Prepared> => {
    const model = await untilAborted(load(), call.abortSignal, 'The call')
    const warnings: SharedV4Warning[] = []
    const messages = messagesOf(call.prompt, warnings)
    return { model, messages, options: chatOptionsOf(call, model, warnings), warnings }
  }
  return {
    specificationVersion: 'v4',
    provider: 'cria',
    modelId,
    supportedUrls: {},
    async doGenerate(call) {
      const { model, messages, options, warnings } = await prepare(call)
      const signal = call.abortSignal && { signal: call.abortSignal }
      const result = await model.chat(messages, { ...options, ...signal }).result()
      const response = { modelId: model.info.name }
      return { content: contentOf(result), ...endingOf(result), response, warnings }
    },
    async doStream(call) {
      return { stream: await streamOf(await prepare(call), call) }
    },
  }
}

/** Resolves when there is something to read. What fails before rejects; what fails later is a part of the stream. */
async function streamOf(
  { model, messages, options, warnings }: Prepared,
  { abortSignal, includeRawChunks = false }: LanguageModelV4CallOptions,
): Promise<ReadableStream<LanguageModelV4StreamPart>> {
  const left = new AbortController()
  let out!: ReadableStreamDefaultController<LanguageModelV4StreamPart>
  const stream = new ReadableStream<LanguageModelV4StreamPart>({
    start(controller) {
      out = controller
    },
    cancel: (reason) => left.abort(reason),
  })
  const send = (parts: readonly LanguageModelV4StreamPart[]): void => {
    if (!left.signal.aborted) for (const part of parts) out.enqueue(part)
  }
  send([
    { type: 'stream-start', warnings },
    { type: 'response-metadata', modelId: model.info.name },
  ])
  let begin!: () => void
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const done = underAny([abortSignal, left.signal], async (signal) => {
    const writer = new PartWriter()
    const generation = model.chat(messages, { ...options, signal })
    for await (const delta of generation.deltas()) {
      begin()
      if (includeRawChunks) send([{ type: 'raw', rawValue: delta }])
      send(writer.write(delta))
    }
    send([...writer.end(), { type: 'finish', ...endingOf(await generation.result()) }])
  })
  done.then(
    () => !left.signal.aborted && out.close(),
    (error: unknown) => {
      if (left.signal.aborted) return
      if (error instanceof AbortError) return out.error(error)
      send([{ type: 'error', error }, FAILED])
      out.close()
    },
  )
  await Promise.race([begun, done])
  return stream
}
