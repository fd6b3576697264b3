/** Cases of what a user can rely on beside the bits: each gives a problem, or none. */
import type { ModelInput } from '../source/types.ts'
import type { CaseResult, Cria } from './types.ts'

const ENDLESS = { temperature: 0, ignoreEos: true }
const quiet = { onWarning: () => {} }
/** Bytes that begin as a GGUF file of version 3 does, and end there. */
const CUT_SHORT = Uint8Array.of(0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0)

/** Bad input is refused with the right class and code. */
export async function errorsCase(cria: Cria, stories: ModelInput): Promise<CaseResult> {
  const problems: string[] = []
  const expect = async (wanted: string, work: () => unknown): Promise<void> => {
    const got = await outcome(work)
    if (got !== wanted) problems.push(`${got} instead of ${wanted}`)
  }
  await expect('FormatError GGUF_TRUNCATED', () => cria.load(CUT_SHORT))
  await expect('ArgumentError INVALID_OPTION', () => cria.load(stories, { threads: 0 }))
  await expect('AbortError ABORTED', () => cria.load(stories, { signal: AbortSignal.abort() }))
  const model = await cria.load(stories, { context: 64, ...quiet })
  const { vocabularySize } = model.info
  await expect('ArgumentError INVALID_OPTION', () => model.generate('x', { topP: 2 }).result())
  await expect('ArgumentError INVALID_TOKENS', () => model.logits('x' as never))
  await expect('ArgumentError INVALID_TOKEN', () => model.logits([vocabularySize]))
  await expect('ContextError CONTEXT_EXCEEDED', () => model.generate('Once '.repeat(100)).result())
  await expect('TemplateError TEMPLATE_SYNTAX', () => model.applyTemplate([], { template: '{% if %}' }))
  await expect('none', () => model.generate('Once', { maxTokens: 1 }).result())
  await model.close()
  return { name: 'errors', ...(problems.length > 0 && { problem: `${problems.join('; ')}.` }) }
}

/** An abort ends a generation and a prompt, and the model goes on. */
export async function abortCase(cria: Cria, stories: ModelInput): Promise<CaseResult> {
  const model = await cria.load(stories, { context: 4096, ...quiet })
  const story = () => model.generate('Once', { temperature: 0, maxTokens: 8 }).result()
  const { text } = await story()
  const works: Record<string, (signal: AbortSignal) => Promise<unknown>> = {
    generate: (signal) => model.generate('Once', { ...ENDLESS, signal }).result(),
    logits: (signal) => model.logits(new Array(4096).fill(7), { signal }),
  }
  const problems: string[] = []
  for (const [name, work] of Object.entries(works)) {
    const controller = new AbortController()
    const running = outcome(() => work(controller.signal))
    await sleep(20)
    controller.abort()
    const got = await running
    if (got !== 'AbortError ABORTED') problems.push(`${name} ended with ${got}`)
  }
  if ((await story()).text !== text) problems.push('the text is another one after an abort')
  await model.close()
  return { name: 'abort', ...(problems.length > 0 && { problem: `${problems.join('; ')}.` }) }
}

/** Closing ends what is under way; later calls are refused, and closing again does nothing. */
export async function closeCase(cria: Cria, stories: ModelInput): Promise<CaseResult> {
  const model = await cria.load(stories, { context: 4096, ...quiet })
  const running = outcome(() => model.generate('Once', ENDLESS).result())
  await sleep(20)
  await model.close()
  await model.close()
  const got = [await running, await outcome(() => model.logits([1]))]
  const wrong = got.filter((end) => end !== 'ClosedError CLOSED')
  return { name: 'close', ...(wrong.length > 0 && { problem: `Calls ended with ${wrong.join(' and ')}.` }) }
}

/** Name and code of what the work fails with. */
async function outcome(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'none'
  } catch (error) {
    const { name, code, message } = error as { name: string; code?: string; message: string }
    return `${name} ${code ?? message}`
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
