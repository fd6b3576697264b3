/**
 * LangChain.js and LlamaIndex.TS with their default settings, against the server at CRIA_URL (with /v1).
 *
 *     CRIA_URL=http://127.0.0.1:8080/v1 node tests/clients/javascript.mjs
 */
import assert from 'node:assert/strict'
import { HumanMessage, SystemMessage } from '@langchain/core/messages'
import { StringOutputParser } from '@langchain/core/output_parsers'
import { ChatPromptTemplate } from '@langchain/core/prompts'
import { tool } from '@langchain/core/tools'
import { concat } from '@langchain/core/utils/stream'
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { OpenAI as LlamaIndexOpenAI, OpenAIEmbedding } from '@llamaindex/openai'
import { tool as llamaIndexTool } from 'llamaindex'
import { z } from 'zod'
import { report, run } from './report.mjs'

const baseURL = process.env.CRIA_URL
const apiKey = 'none'
const model = 'any-name'
const MESSAGES = [new SystemMessage('You are terse.'), new HumanMessage('Name a colour.')]
const connection = { apiKey, model, configuration: { baseURL } }

await run('LangChain.js', 'chat', async () => {
  const { content, usage_metadata: usage } = await new ChatOpenAI(connection).invoke(MESSAGES)
  assert.ok(content.length > 0)
  assert.ok(usage.output_tokens > 0)
})
await run('LangChain.js', 'a stream', async () => {
  let text = ''
  for await (const chunk of await new ChatOpenAI({ ...connection, maxTokens: 12 }).stream(MESSAGES))
    text += chunk.content
  assert.ok(text.length > 0)
})
await run('LangChain.js', 'temperature, stop, seed', async () => {
  const chat = new ChatOpenAI({ ...connection, temperature: 0, maxTokens: 12, stop: ['zzz'], seed: 7 })
  const [one, two] = await chat.batch([MESSAGES, MESSAGES])
  assert.equal(one.content, two.content)
})
await run('LangChain.js', 'a chain', async () => {
  const prompt = ChatPromptTemplate.fromMessages([
    ['system', 'You are terse.'],
    ['human', '{question}'],
  ])
  const chain = prompt.pipe(new ChatOpenAI({ ...connection, maxTokens: 12 })).pipe(new StringOutputParser())
  assert.ok((await chain.invoke({ question: 'Name a colour.' })).length > 0)
})
await run('LangChain.js', 'log-probabilities', async () => {
  const { response_metadata: metadata } = await new ChatOpenAI({
    ...connection,
    maxTokens: 4,
    logprobs: true,
    topLogprobs: 2,
  }).invoke('Hi')
  assert.ok(metadata.logprobs.content.length > 0)
})
await run('LangChain.js', 'completion', async () => {
  assert.ok((await new OpenAI({ ...connection, maxTokens: 8 }).invoke('Once upon a time')).length > 0)
})
await run('LangChain.js', 'a streamed completion', async () => {
  let text = ''
  for await (const piece of await new OpenAI({ ...connection, maxTokens: 8 }).stream('Once upon a time')) text += piece
  assert.ok(text.length > 0)
})
await run('LangChain.js', 'embeddings', async () => {
  const embeddings = new OpenAIEmbeddings(connection)
  const [one, two] = await embeddings.embedDocuments(['A llama', 'a song'])
  assert.ok(one.length > 0 && one.length === two.length)
  assert.deepEqual(await embeddings.embedQuery('A llama'), one)
})
await run('LangChain.js', 'a prompt beyond the context', async () => {
  await assert.rejects(new ChatOpenAI({ ...connection, maxRetries: 0 }).invoke('word '.repeat(5000)), /context/i)
})

await toolParts()

const llama = new LlamaIndexOpenAI({ apiKey, baseURL, model, maxTokens: 12 })
const messages = [
  { role: 'system', content: 'You are terse.' },
  { role: 'user', content: 'Name a colour.' },
]
await run('LlamaIndex.TS', 'chat', async () => {
  const { message } = await llama.chat({ messages })
  assert.ok(message.content.length > 0)
})
await run('LlamaIndex.TS', 'a stream', async () => {
  let text = ''
  for await (const { delta } of await llama.chat({ messages, stream: true })) text += delta
  assert.ok(text.length > 0)
})
await run('LlamaIndex.TS', 'completion', async () => {
  const { text } = await llama.complete({ prompt: 'Once upon a time' })
  assert.ok(text.length > 0)
})
await run('LlamaIndex.TS', 'embeddings', async () => {
  const embedding = await new OpenAIEmbedding({ apiKey, baseURL, model }).getTextEmbedding('A llama')
  assert.ok(embedding.length > 0)
})
await llamaIndexToolParts()
report()

function parametersOf(asked) {
  const { city, days } = z
    .object({ city: z.enum(['Brest', 'Paris']), days: z.number().int().min(1).max(9) })
    .parse(asked)
  return { city, days }
}

async function toolParts() {
  const schema = z.object({ city: z.enum(['Brest', 'Paris']), days: z.number().int().min(1).max(9) })
  const weather = tool((asked) => JSON.stringify({ sky: 'clear', ...asked }), {
    name: 'get_weather',
    description: 'The weather of a city.',
    schema,
  })
  const question = new HumanMessage('What is the weather in Brest?')
  const chat = new ChatOpenAI({ ...connection, maxTokens: 300, seed: 7 })
  const bound = chat.bindTools([weather], { tool_choice: 'required', parallel_tool_calls: false })

  await run('LangChain.js', 'a tool that is called, and its result', async () => {
    const asked = await bound.invoke([question])
    assert.equal(asked.tool_calls.length, 1)
    assert.deepEqual(asked.invalid_tool_calls, [])
    const [call] = asked.tool_calls
    parametersOf(call.args)
    const result = await weather.invoke(call)
    const { content } = await chat.bindTools([weather], { tool_choice: 'none' }).invoke([question, asked, result])
    assert.equal(typeof content, 'string')
  })
  await run('LangChain.js', 'a streamed call', async () => {
    let whole
    for await (const chunk of await bound.stream([question])) whole = whole ? concat(whole, chunk) : chunk
    assert.equal(whole.tool_calls.length, 1)
    parametersOf(whole.tool_calls[0].args)
  })
  await run('LangChain.js', 'one tool by name', async () => {
    const { tool_calls: calls } = await chat.bindTools([weather], { tool_choice: 'get_weather' }).invoke([question])
    for (const { name, args } of calls) assert.deepEqual([name, parametersOf(args)], ['get_weather', args])
  })
  await run('LangChain.js', 'a tool that may be called', async () => {
    const { content, tool_calls: calls } = await chat.bindTools([weather]).invoke([question])
    assert.ok(content.length > 0 || calls.length > 0)
  })
  for (const method of ['functionCalling', 'jsonSchema', 'jsonMode']) {
    await run('LangChain.js', `structured output, ${method}`, async () => {
      const structured = chat.withStructuredOutput(schema, { name: 'forecast', method, includeRaw: true })
      const { raw, parsed } = await structured.invoke([question])
      // Of JSON of its own making the model may write any.
      const isCut = raw.response_metadata.finish_reason === 'length'
      if (method === 'jsonMode') assert.ok(isCut || typeof JSON.parse(raw.content) === 'object')
      else assert.deepEqual(parametersOf(parsed), parsed)
    })
  }
}

async function llamaIndexToolParts() {
  const parameters = z.object({ city: z.enum(['Brest', 'Paris']), days: z.number().int().min(1).max(9) })
  const weather = llamaIndexTool({
    name: 'get_weather',
    description: 'The weather of a city.',
    parameters,
    execute: (asked) => ({ sky: 'clear', ...asked }),
  })
  const calling = new LlamaIndexOpenAI({
    apiKey,
    baseURL,
    model,
    maxTokens: 300,
    additionalChatOptions: { tool_choice: 'required', parallel_tool_calls: false },
  })
  const asked = [{ role: 'user', content: 'What is the weather in Brest?' }]
  await run('LlamaIndex.TS', 'a tool that is called, and its result', async () => {
    const { message } = await calling.chat({ messages: asked, tools: [weather] })
    const [call] = message.options.toolCall
    const args = typeof call.input === 'string' ? JSON.parse(call.input) : call.input
    parametersOf(args)
    const result = { toolResult: { id: call.id, result: JSON.stringify(await weather.call(args)), isError: false } }
    const messages = [...asked, message, { role: 'user', content: result.toolResult.result, options: result }]
    const { message: answer } = await llama.chat({ messages })
    assert.equal(typeof answer.content, 'string')
  })
  await run('LlamaIndex.TS', 'a streamed call', async () => {
    const calls = []
    for await (const { options } of await calling.chat({ messages: asked, tools: [weather], stream: true }))
      calls.push(...(options?.toolCall ?? []))
    const { input } = calls.at(-1)
    parametersOf(typeof input === 'string' ? JSON.parse(input) : input)
  })
  await run('LlamaIndex.TS', 'structured output', async () => {
    const { object } = await calling.exec({
      messages: asked,
      responseFormat: parameters,
    })
    parametersOf(object)
  })
}
