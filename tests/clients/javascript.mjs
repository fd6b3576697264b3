/**
 * LangChain.js and LlamaIndex.TS with their default settings, against the server at CRIA_URL (with /v1).
 *
 *     CRIA_URL=http://127.0.0.1:8080/v1 node tests/clients/javascript.mjs
 */
import assert from 'node:assert/strict'
import { HumanMessage, SystemMessage } from '@langchain/core/messages'
import { StringOutputParser } from '@langchain/core/output_parsers'
import { ChatPromptTemplate } from '@langchain/core/prompts'
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { OpenAI as LlamaIndexOpenAI, OpenAIEmbedding } from '@llamaindex/openai'
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
report()
