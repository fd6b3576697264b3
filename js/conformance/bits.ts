/** Cases that are the same everywhere to the bit: each gives one hash. */
import type { ChatMessage, GenerateOptions, KvType, Model, ModelInput } from '../api.ts'
import { hashOf } from './hash.ts'
import { CONVERSATION, SAMPLING, TEXTS } from './material.ts'
import type { CaseResult, Cria, TemplateCase, Way } from './types.ts'

const TEMPLATES = ['chatml', 'llama2', 'llama3', 'mistral', 'zephyr']
const quiet = { onWarning: () => {} }

interface LogitsCase {
  model: ModelInput
  tokens: number
  kv: KvType
  ways: readonly Way[]
}

/** The logits after each of some tokens, [tokens, vocabulary] f32, computed in every way. */
export async function logitsCase(
  cria: Cria,
  name: string,
  { model, tokens, kv, ways }: LogitsCase,
): Promise<CaseResult> {
  const result: CaseResult = { name, ways: ways.length }
  for (const way of ways) {
    const loaded = await cria.load(model, { context: 256, kv, ...quiet, ...way })
    try {
      const ids = Array.from({ length: tokens }, (_, i) => (i * 7919 + 1) % loaded.info.vocabularySize)
      const hash = hashOf((await loaded.logits(ids)).data)
      result.hash ??= hash
      if (hash !== result.hash) {
        result.problem ??= `${JSON.stringify(way)} gives other bits than ${JSON.stringify(ways[0])}: ${hash}.`
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
  const told = []
  for (const options of SAMPLING) {
    const { ids, text, finishReason } = await loaded
      .generate('Once upon a time', { maxTokens: 60, ignoreEos: true, ...options })
      .result()
    told.push([ids, text, finishReason])
  }
  return { name: 'sampler', hash: hashOf(JSON.stringify(told)) }
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
        ...(tools && { tools }),
        ...(variables && { templateVariables: variables }),
      })
    } catch (error) {
      return String((error as { code?: string }).code)
    }
  }
  return { name, hash: hashOf(JSON.stringify(conversations.map(render))) }
}
