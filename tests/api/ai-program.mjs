/** What the AI SDK makes of a model of cria/ai, the same in every runtime: plain data. */
import {
  DirectChatTransport,
  embedMany,
  generateObject,
  generateText,
  isStepCount,
  jsonSchema,
  Output,
  readUIMessageStream,
  streamText,
  ToolLoopAgent,
} from 'ai'
import { createCria } from 'cria/ai'
import { HERMES } from '../hermes-template.ts'

const cria = { template: HERMES, parallelToolCalls: false }
const ASKED = { prompt: 'Once upon a time', maxRetries: 0, providerOptions: { cria } }
const GREEDY = { ...ASKED, temperature: 0, maxOutputTokens: 24 }
const LLAMA = jsonSchema({
  type: 'object',
  properties: { name: { type: 'string', maxLength: 8 }, wool: { enum: ['white', 'brown'] } },
  required: ['name', 'wool'],
  additionalProperties: false,
})
const inputSchema = jsonSchema({
  type: 'object',
  properties: { city: { enum: ['Brest', 'Paris'] }, days: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['city'],
  additionalProperties: false,
})
const TOLD = []
const weather = {
  description: 'The weather of a city.',
  inputSchema,
  execute: (input) => {
    TOLD.push(input)
    return { sky: 'clear' }
  },
}
/** A call, and then an answer. */
const CALLING = {
  ...ASKED,
  tools: { weather },
  prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }),
  stopWhen: isStepCount(2),
  seed: 3,
  maxOutputTokens: 300,
  stopSequences: ['.'],
}

/** @param load gives a model of `stories260K.gguf` with a context of 2048 tokens */
export async function tellAiSdk(load) {
  // Warnings are part of results.
  globalThis.AI_SDK_LOG_WARNINGS = false
  let loads = 0
  const provider = createCria(() => {
    loads++
    return load()
  })
  const model = provider()
  const whole = await generateText({ model, ...GREEDY, headers: { 'x-trace': '1' } })
  const embedding = provider.embeddingModel()
  const { embeddings } = await embedMany({ model: embedding, values: ['A llama', 'a song'], maxRetries: 0 })
  const seeded = { model, ...ASKED, seed: 4, maxOutputTokens: 300 }
  return {
    loads,
    text: whole.text,
    finishReason: whole.finishReason,
    usage: [whole.usage.inputTokens, whole.usage.outputTokens],
    warnings: whole.warnings,
    streamed: await textOf(streamText({ model, ...GREEDY })),
    object: (await generateObject({ ...seeded, schema: LLAMA })).object,
    output: (await generateText({ ...seeded, output: Output.object({ schema: LLAMA }) })).output,
    calls: callsOf((await generateText({ model, ...CALLING })).steps),
    ...(await streamedCalls(model)),
    told: TOLD,
    embeddings,
    aborted: await abortedParts(model),
    interface: await messageOf(model),
  }
}

async function textOf({ textStream }) {
  let text = ''
  for await (const piece of textStream) text += piece
  return text
}

function callsOf(steps) {
  return steps.map(({ finishReason, text, toolCalls, toolResults }) => ({
    finishReason,
    text,
    calls: toolCalls.map(({ toolName, input }) => [toolName, input]),
    results: toolResults.map(({ output }) => output),
  }))
}

async function streamedCalls(model) {
  const result = streamText({ model, ...CALLING })
  const kinds = new Set()
  for await (const { type } of result.fullStream) kinds.add(type)
  return { streamedCalls: callsOf(await result.steps), kinds: [...kinds] }
}

/** The kinds of parts of a stream of hours that is given up when its text begins. */
async function abortedParts(model) {
  const leaving = new AbortController()
  const endless = { template: HERMES, ignoreEos: true, contextShift: true }
  const result = streamText({
    model,
    ...ASKED,
    providerOptions: { cria: endless },
    abortSignal: leaving.signal,
  })
  const kinds = new Set()
  for await (const { type } of result.fullStream) {
    kinds.add(type)
    if (type === 'text-delta') leaving.abort()
  }
  return [...kinds]
}

/** An answer as hooks for user interfaces show it. */
async function messageOf(model) {
  const { prompt: _, ...settings } = GREEDY
  const transport = new DirectChatTransport({ agent: new ToolLoopAgent({ model, ...settings }) })
  const messages = [{ id: '1', role: 'user', parts: [{ type: 'text', text: ASKED.prompt }] }]
  const stream = await transport.sendMessages({ chatId: '1', trigger: 'submit-message', messages })
  let last
  for await (const message of readUIMessageStream({ stream })) last = message
  return last.parts.filter(({ type }) => type === 'text').map(({ text }) => text)
}
