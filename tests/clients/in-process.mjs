/**
 * LangChain.js in the process that has the model of CRIA_MODEL, with the handler as its `fetch`, as docs/SERVER.md shows it.
 *
 *     npm run build && CRIA_MODEL=models/stories260K.gguf node tests/clients/in-process.mjs
 */
import assert from 'node:assert/strict'
import { StringOutputParser } from '@langchain/core/output_parsers'
import { ChatPromptTemplate } from '@langchain/core/prompts'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { load } from '../../dist/index.js'
import { createHandler } from '../../dist/server.js'
import { report, run } from './report.mjs'

const model = await load(process.env.CRIA_MODEL)
const handler = createHandler({ 'my-model': model }, { apiKeys: ['secret'] })
const fetch = (input, init) => handler(new Request(input, init))
const connection = { model: 'my-model', apiKey: 'secret', configuration: { baseURL: 'http://cria/v1', fetch } }
const greedy = { ...connection, temperature: 0, maxTokens: 12 }
const { text } = await model
  .chat([{ role: 'user', content: 'Name a colour.' }], { temperature: 0, maxTokens: 12 })
  .result()

await run('LangChain.js in process', 'chat', async () => {
  const { content, usage_metadata: usage } = await new ChatOpenAI(greedy).invoke('Name a colour.')
  assert.equal(content, text)
  assert.ok(usage.output_tokens > 0)
})
await run('LangChain.js in process', 'a chain, streamed', async () => {
  const prompt = ChatPromptTemplate.fromMessages([['human', '{question}']])
  const chain = prompt.pipe(new ChatOpenAI(greedy)).pipe(new StringOutputParser())
  let streamed = ''
  for await (const piece of await chain.stream({ question: 'Name a colour.' })) streamed += piece
  assert.equal(streamed, text)
})
await run('LangChain.js in process', 'an answer of a schema', async () => {
  const properties = { colour: { enum: ['red', 'blue'] } }
  const schema = { type: 'object', properties, required: ['colour'], additionalProperties: false }
  const chat = new ChatOpenAI({ ...connection, maxTokens: 200 }).withStructuredOutput(schema, { method: 'jsonSchema' })
  assert.match((await chat.invoke('Name a colour.')).colour, /^(red|blue)$/)
})
await run('LangChain.js in process', 'embeddings', async () => {
  const [one] = await new OpenAIEmbeddings(connection).embedDocuments(['A llama'])
  const { embeddings } = await model.embed('A llama')
  assert.deepEqual(Float32Array.from(one), embeddings[0])
})
await run('LangChain.js in process', 'a wrong key', async () => {
  await assert.rejects(new ChatOpenAI({ ...greedy, apiKey: 'wrong', maxRetries: 0 }).invoke('Hi'), /API key/)
})
await model.close()
report()
