/** Cases that are the same everywhere to the bit: each gives one hash. */
import type { GenerateOptions, Model } from '../api/types.ts'
import type { ChatMessage } from '../chat/types.ts'
import type { KvType } from '../engine/kv.ts'
import type { ModelInput } from '../source/types.ts'
import { hashOf } from './hash.ts'
import { CALLING, CONSTRAINED_SAMPLING, CONVERSATION, SAMPLING, TEXTS } from './material.ts'
import type { CaseResult, Configuration, Cria, TemplateCase } from './types.ts'

const TEMPLATES = ['chatml', 'llama2', 'llama3', 'mistral', 'zephyr']
const quiet = { onWarning: () => {} }

interface LogitsCase {
  model: ModelInput
  tokens: number
  kv: KvType
  configurations: readonly Configuration[]
}

/** The logits after each of some tokens, [tokens, vocabulary] f32, in every configuration. */
export async function logitsCase(
  cria: Cria,
  name: string,
  { model, tokens, kv, configurations }: LogitsCase,
): Promise<CaseResult> {
  const result: CaseResult = { name, configurations: configurations.length }
  for (const configuration of configurations) {
    const loaded = await cria.load(model, { context: 256, kv, ...quiet, ...configuration })
    try {
      const ids = Array.from({ length: tokens }, (_, i) => (i * 7919 + 1) % loaded.info.vocabularySize)
      const hash = hashOf((await loaded.logits(ids)).data)
      result.hash ??= hash
      if (hash !== result.hash) {
        result.problem ??= `${JSON.stringify(configuration)} gives other bits than ${JSON.stringify(configurations[0])}: ${hash}.`
      }
    } finally {
      await loaded.close()
    }
  }
  return result
}

/** The ids of texts, and the texts of these ids. */
export async function tokenizerCase(
  cria: Cria,
  name: string,
  model: ModelInput,
  texts: readonly string[] = TEXTS,
): Promise<CaseResult> {
  const tokenizer = await cria.loadTokenizer(model)
  const ids = texts.map((text) => tokenizer.tokenize(text, { special: false, bos: false }))
  const again = ids.map((list) => tokenizer.detokenize(list))
  return { name, hash: hashOf(JSON.stringify([ids, again])) }
}

/** What is sampled from given seeds, with every sampler. */
export async function samplerCase(loaded: Model): Promise<CaseResult> {
  const results = []
  for (const options of SAMPLING) {
    const { ids, text, finishReason } = await loaded
      .generate('Once upon a time', { maxTokens: 60, ignoreEos: true, ...options })
      .result()
    results.push([ids, text, finishReason])
  }
  return { name: 'sampler', hash: hashOf(JSON.stringify(results)) }
}

const logprobs = { logprobs: true, topLogprobs: 5 }

/** Every way of sampling at once, on prompts some of which begin alike: each is what it is alone. */
export async function togetherCase(loaded: Model): Promise<CaseResult> {
  const generate = async (options: GenerateOptions, i: number): Promise<unknown> => {
    const prompt = 'Once upon a time, there was a little girl. '.repeat(1 + (i % 4)) + 'She had a llama. '.repeat(i % 3)
    const result = await loaded.generate(prompt, { ...options, ...logprobs, maxTokens: 8 + i }).result()
    return [
      result.ids,
      result.logprobs!.map((one) => [one.logprob, ...one.top.map(({ id, logprob }) => [id, logprob])]),
    ]
  }
  const together = JSON.stringify(await Promise.all(SAMPLING.map(generate)))
  const alone = []
  for (const [i, options] of SAMPLING.entries()) {
    await loaded.reset()
    alone.push(await generate(options, i))
  }
  const result = { name: 'together', hash: hashOf(together) }
  return together === JSON.stringify(alone) ? result : { ...result, problem: 'Alone they are others.' }
}

/** Texts that are held to something, all at once: each is what it is alone. */
export async function constrainedCase(
  loaded: Model,
  name: string,
  constraints: readonly GenerateOptions[],
): Promise<CaseResult> {
  const generate = async (options: GenerateOptions): Promise<unknown> => {
    const { ids, text, finishReason } = await loaded
      .generate('Once upon a time', { ...options, maxTokens: 300 })
      .result()
    return [ids, text, finishReason]
  }
  const all = constraints.flatMap((constraint) =>
    CONSTRAINED_SAMPLING.map((options) => ({ ...constraint, ...options })),
  )
  const together = JSON.stringify(await Promise.all(all.map(generate)))
  const alone = []
  for (const options of all) {
    await loaded.reset()
    alone.push(await generate(options))
  }
  const result = { name, hash: hashOf(together) }
  return together === JSON.stringify(alone) ? result : { ...result, problem: 'Alone they are others.' }
}

/** Calls of tools; their ids are by chance. */
export async function callsCase(loaded: Model): Promise<CaseResult> {
  const messages = [{ role: 'user', content: 'Draw a llama.' }]
  const answer = async (options: GenerateOptions): Promise<unknown> => {
    const { ids, text, toolCalls = [], finishReason } = await loaded.chat(messages, { ...CALLING, ...options }).result()
    return [ids, text, toolCalls.map(({ name, arguments: args }) => [name, args]), finishReason]
  }
  return { name: 'calls', hash: hashOf(JSON.stringify(await Promise.all(CONSTRAINED_SAMPLING.map(answer)))) }
}

/** Embeddings of texts, and the saved state of one. */
export async function embedCase(loaded: Model): Promise<CaseResult> {
  const hashes = []
  for (const pooling of ['mean', 'last'] as const) {
    const { embeddings } = await loaded.embed(TEXTS.filter(Boolean), { pooling })
    hashes.push(...embeddings.map(hashOf))
  }
  return { name: 'embed', hash: hashOf(hashes.join()) }
}

/** What the cache holds of a text, as bytes; they are taken back. */
export async function stateCase(loaded: Model): Promise<CaseResult> {
  const text = 'Once upon a time, there was a llama. '.repeat(9)
  const state = await loaded.saveState(text)
  await loaded.reset()
  const { tokens } = await loaded.loadState(state)
  const { cachedTokens } = await loaded.generate(text, { maxTokens: 1 }).result()
  const result = { name: 'state', hash: hashOf(state) }
  return cachedTokens === tokens - 1 ? result : { ...result, problem: `${cachedTokens} of ${tokens} tokens are there.` }
}

/** A conversation by turns, and messages through every built-in template. */
export async function chatCase(loaded: Model): Promise<CaseResult> {
  const options: GenerateOptions & { template: string } = {
    template: 'chatml',
    temperature: 0.7,
    seed: 5,
    maxTokens: 20,
  }
  const chat = loaded.createChat({ system: CONVERSATION[0]!.content as string, ...options })
  const answers = []
  for (const { role, content } of CONVERSATION) {
    if (role === 'user') answers.push((await chat.send(content as string).result()).text)
  }
  const texts = TEMPLATES.map((template) => loaded.applyTemplate(CONVERSATION, { template }))
  return { name: 'chat', hash: hashOf(JSON.stringify([answers, chat.messages, texts])) }
}

/** What a template makes of conversations, or the code of its error. */
export function templateCase(
  loaded: Model,
  name: string,
  { template, variables, conversations }: TemplateCase,
): CaseResult {
  const render = ({ messages, tools }: { messages: readonly ChatMessage[]; tools?: unknown[] }): string => {
    try {
      return loaded.applyTemplate(messages, {
        template,
        addGenerationPrompt: true,
        ...(tools && { tools }),
        ...(variables && { templateVariables: variables }),
      })
    } catch (error) {
      return String((error as { code?: string }).code)
    }
  }
  return { name, hash: hashOf(JSON.stringify(conversations.map(render))) }
}
