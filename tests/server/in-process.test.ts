/** The handler as the `fetch` of OpenAI's client, on which LangChain.js stands too (tests/clients/in-process.mjs): no server, no network. */
import { load } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { tool, toolTest } from '../package-home.ts'

const model = await load(STORIES, { threads: 2, onWarning: () => {} })
test.after(() => model.close())

const MESSAGES = [{ role: 'user', content: 'Name a colour.' }]

toolTest('answers, streams and embeddings of a client in the same process', 'openai/index.mjs', async () => {
  const { default: OpenAI } = await import(tool('openai/index.mjs'))
  const handler = createHandler({ 'my-model': model }, { apiKeys: ['secret'] })
  const fetch = (input: RequestInfo, init?: RequestInit): Promise<Response> => handler(new Request(input, init))
  const openai = new OpenAI({ apiKey: 'secret', baseURL: 'http://cria/v1', fetch })
  const asked = { model: 'my-model', messages: MESSAGES, temperature: 0, max_tokens: 12 }
  const { text } = await model.chat(MESSAGES, { temperature: 0, maxTokens: 12 }).result()
  const whole = await openai.chat.completions.create(asked)
  assert.is(whole.choices[0].message.content, text)
  let streamed = ''
  for await (const { choices } of await openai.chat.completions.create({ ...asked, stream: true })) {
    streamed += choices[0].delta.content ?? ''
  }
  assert.is(streamed, text)
  const { data } = await openai.embeddings.create({ model: 'my-model', input: 'A llama' })
  assert.equal(Float32Array.from(data[0].embedding), (await model.embed('A llama')).embeddings[0])
  // Whoever leaves a stream frees the model.
  const leaving = new AbortController()
  const endless = await openai.chat.completions.create(
    { ...asked, max_tokens: 100_000, ignore_eos: true, stream: true },
    { signal: leaving.signal },
  )
  for await (const _ of endless) break
  while ((await model.status()).running > 0) await new Promise((resolve) => setTimeout(resolve, 5))
})

test.run()
