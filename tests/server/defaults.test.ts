/** What holds where a request does not say: `defaults` of createHandler, and the flags of `cria serve`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type GenerateOptions, load, type Model } from 'cria'
import { createHandler, type HandlerOptions } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { cria, withFolder } from '../cli-helpers.ts'
import { post, serve, serveWith } from './helpers.ts'

let model: Model

test.before(async () => {
  model = await load(STORIES, { threads: 1 })
})
test.after(() => model.close())

/** The model, and the options that its calls got. */
function recorded(): { model: Model; seen: GenerateOptions[] } {
  const seen: GenerateOptions[] = []
  const generate: Model['generate'] = (prompt, options) => {
    if (prompt !== '') seen.push(options ?? {})
    return model.generate(prompt, options)
  }
  return {
    seen,
    model: new Proxy(model, { get: (of, name) => (name === 'generate' ? generate : Reflect.get(of, name)) }),
  }
}

test('fields of a request count more than defaults, one by one', async () => {
  const { model, seen } = recorded()
  const defaults = { temperature: 0, topK: 5, stop: ['day'], seed: 7, logitBias: { 5: -1 }, ignoreEos: true }
  const handle = createHandler(model, { maxTokens: 4, defaults })
  await handle(post('/v1/completions', { prompt: 'Once' }))
  await handle(post('/v1/completions', { prompt: 'Once', temperature: 0.5, max_tokens: 2, stop: 'x', top_p: 0.5 }))
  const plain = seen.map(({ signal: _, onToken: __, onPrompt: ___, onDelta: ____, ...options }) => options)
  assert.equal(plain, [
    { ...defaults, maxTokens: 4 },
    { ...defaults, maxTokens: 2, temperature: 0.5, stop: 'x', topP: 0.5 },
  ])
})

test('variables of the template are those of the server and the request', async () => {
  const template = '{{ a }}{{ b }}{{ messages[0].content }}'
  const handle = createHandler(model, { template, templateVariables: { a: 'A', b: 'B' } })
  const messages = [{ role: 'user', content: '!' }]
  const ask = async (body: object) => (await (await handle(post('/apply-template', body))).json()).prompt
  assert.is(await ask({ messages }), 'AB!')
  assert.is(await ask({ messages, chat_template_kwargs: { b: 'C' } }), 'AC!')
})

test('embeddings are made as the server says', async () => {
  const ask = async (options: HandlerOptions): Promise<number[]> => {
    const response = await createHandler(model, options)(post('/v1/embeddings', { input: 'Once upon' }))
    return (await response.json()).data[0].embedding
  }
  const raw = await model.embed('Once upon', { pooling: 'last', normalize: false })
  assert.equal(await ask({ embeddings: { pooling: 'last', normalize: false } }), Array.from(raw.embeddings[0]!))
  const usual = await model.embed('Once upon')
  assert.equal(await ask({}), Array.from(usual.embeddings[0]!))
})

test('defaults that are wrong are no matter of requests', () => {
  const wrong: [options: object, message: RegExp][] = [
    [{ defaults: { topK: 1.5 } }, /topK must be an integer/],
    [{ defaults: { temprature: 1 } }, /no option temprature; write temperature/],
    [{ defaults: { logitBias: { 99999: 1 } } }, /logitBias must be given for token ids/],
    [{ defaults: 5 }, /must be an object/],
    [{ templateVariables: 'x' }, /must be an object/],
  ]
  for (const [options, message] of wrong) assert.throws(() => createHandler(model, options), message)
})

test('cria serve: flags are the defaults', () =>
  withFolder(async (folder) => {
    const file = join(folder, 'template.jinja')
    writeFileSync(file, '{{ x }}{{ enable_thinking }}{{ reasoning_effort }}:{{ messages[0].content }}')
    const sampling = ['--temp', '0', '-n', '30', '-r', 'day', '--samplers', 'temperature']
    const template = ['--chat-template-file', file, '--chat-template-kwargs', '{"x":"A"}', '-rea', 'off']
    const origins = ['--cors-origins', 'http://a.test,http://b.test']
    const more = [...template, '--reasoning-effort', 'low', '--api-prefix', '/my/', ...origins]
    const { url, child, ended } = await serve(...sampling, ...more)
    assert.match(url, /\/my$/)
    const ask = (path: string, body: object, headers = {}): Promise<Response> =>
      fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body), headers })
    const { text } = await model.generate('Once', { temperature: 0, maxTokens: 30, stop: ['day'] }).result()
    assert.is((await (await ask('/v1/completions', { prompt: 'Once' })).json()).choices[0].text, text)
    const prompt = await (await ask('/apply-template', { messages: [{ role: 'user', content: 'Hi' }] })).json()
    assert.equal(prompt, { prompt: 'AFalselow:Hi' })
    for (const [origin, allowed] of [
      ['http://b.test', 'http://b.test'],
      ['http://c.test', null],
    ] as const) {
      const response = await ask('/v1/completions', { prompt: 'Once', max_tokens: 1 }, { origin })
      assert.is(response.headers.get('access-control-allow-origin'), allowed)
    }
    assert.is((await fetch(`${new URL(url).origin}/health`)).status, 404)
    assert.is((await fetch(`${url}/health`)).status, 200)
    child.kill('SIGTERM')
    assert.is(await ended, 0)
  }))

test('cria serve: variables are the defaults', async () => {
  const env = { LLAMA_ARG_N_PREDICT: '3', LLAMA_ARG_TEMPERATURE: '0', LLAMA_ARG_ALIAS: 'mine', LLAMA_API_KEY: 'k' }
  const { url, child, ended, stderr } = await serveWith({ ...env, LLAMA_ARG_PORT: '1', LLAMA_ARG_MLOCK: '1' })
  const headers = { authorization: 'Bearer k' }
  const body = JSON.stringify({ prompt: 'Once' })
  const answer = await (await fetch(`${url}/v1/completions`, { method: 'POST', body, headers })).json()
  const { text } = await model.generate('Once', { temperature: 0, maxTokens: 3 }).result()
  assert.equal([answer.model, answer.choices[0].text], ['mine', text])
  assert.match(stderr(), /cria: warning: the variable LLAMA_ARG_PORT is set, but --port counts\.\n/)
  assert.match(stderr(), /cria: note: LLAMA_ARG_MLOCK changes nothing here\.\n/)
  child.kill('SIGTERM')
  assert.is(await ended, 0)
})

test('cria serve: what is wrong names the flag', async () => {
  const wrong: [args: string[], message: RegExp][] = [
    [['--logit-bias', '99999+1'], /--logit-bias must be given for token ids from 0 to/],
    [['--chat-template-kwargs', '[1]'], /--chat-template-kwargs takes a JSON object/],
    [['--chat-template', 'nothing'], /nothing/],
    [['--api-prefix', 'x'], /--api-prefix takes a path that begins with a slash/],
    [['-np', '0'], /--parallel takes -1 or a number from 1 on/],
    [['--ssl-key-file', 'x'], /--ssl-key-file is not supported: .*TLS/],
  ]
  for (const [args, message] of wrong) {
    const { code, stderr } = await cria(['serve', '--port', '0', ...args])
    assert.ok(code !== 0, args.join(' '))
    assert.match(stderr, message)
  }
})

test.run()
