/** The handler by itself: what it answers, and who may ask. */
import { ArgumentError, type GenerateOptions, type Generation, load, type Model } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { logprobsOf } from '../../js/sampler/logprobs.ts'
import { Offsets } from '../../js/server/offsets.ts'
import { type Piece, runChoices, textLogprobs } from '../../js/server/run.ts'
import { completionLogprobs } from '../../js/server/usage.ts'
import { bits, fails, SMOLLM, STORIES } from '../api-helpers.ts'
import { sharedTest } from '../shared.ts'
import { ask, dataOf, ENDLESS, get, logged, post } from './helpers.ts'

const model = await load(STORIES, { threads: 2, onWarning: () => {} })
test.after(() => model.close())

const GREEDY = { temperature: 0, max_tokens: 12 }

test('what llama-server tells: health, models, props, tokens, templates', async () => {
  const handler = createHandler(model)
  assert.equal((await ask(handler, get('/health'))).body, { status: 'ok' })
  assert.equal((await ask(handler, get('/v1/health'))).body, { status: 'ok' })
  const { body: models } = await ask(handler, get('/v1/models'))
  assert.equal([models.object, models.data[0].id, models.data[0].meta.n_vocab], ['list', model.info.name, 512])
  assert.is((await ask(handler, get('/v1/models/stories260K'))).body.object, 'model')
  const { body: props } = await ask(handler, get('/props'))
  assert.equal([props.default_generation_settings.n_ctx, props.total_slots], [model.info.context, model.info.parallel])
  assert.equal([props.bos_token, props.eos_token], ['<s>', '</s>'])
  const content = 'Once upon <s> a time 🦙'
  const { tokens } = (await ask(handler, post('/tokenize', { content, add_special: true }))).body
  assert.equal(tokens, model.tokenize(content))
  const plain = await ask(handler, post('/tokenize', { content, parse_special: false, with_pieces: true }))
  assert.equal(
    plain.body.tokens.map(({ id }: { id: number }) => id),
    model.tokenize(content, { special: false, bos: false }),
  )
  // The example in llama-server's documentation.
  const { body: bytes } = await ask(handler, post('/tokenize', { content: 'á', with_pieces: true }))
  assert.equal(bytes.tokens.slice(-2), [
    { id: 198, piece: [195] },
    { id: 164, piece: [161] },
  ])
  // Pieces as they are within a text, the first space too.
  assert.is(
    plain.body.tokens
      .map(({ piece }: { piece: string }) => piece)
      .join('')
      .slice(0, 5),
    ' Once',
  )
  assert.is(
    (await ask(handler, post('/detokenize', { tokens }))).body.content,
    model.detokenize(tokens, { special: true }),
  )
  const messages = [
    { role: 'developer', content: 'Be terse.' },
    { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
  ]
  const system = [
    { role: 'system', content: 'Be terse.' },
    { role: 'user', content: 'Hi' },
  ]
  const { prompt } = (await ask(handler, post('/apply-template', { messages }))).body
  assert.is(prompt, model.applyTemplate(system))
  const chatml = createHandler(model, { template: 'chatml' })
  assert.match((await ask(chatml, post('/apply-template', { messages }))).body.prompt, '<|im_start|>user')
})

test('fields reach the sampler; a seed gives each choice its own', async () => {
  const handler = createHandler(model)
  const text = async (fields: object): Promise<string[]> => {
    const { body } = await ask(handler, post('/v1/completions', { prompt: 'Once', max_tokens: 12, ...fields }))
    return body.choices.map((choice: { text: string }) => choice.text)
  }
  const generated = async (options: object): Promise<string> =>
    (await model.generate('Once', { maxTokens: 12, ...options }).result()).text
  assert.equal(await text({ temperature: 0 }), [await generated({ temperature: 0 })])
  assert.equal(await text({ seed: 4294967295, n: 2, temperature: 1.5 }), [
    await generated({ seed: 4294967295, temperature: 1.5 }),
    await generated({ seed: 0, temperature: 1.5 }),
  ])
  assert.equal(await text({ temperature: 0, logit_bias: { 403: 100 } }), [
    await generated({ temperature: 0, logitBias: { 403: 100 } }),
  ])
  assert.equal(await text({ temperature: 0, repeat_penalty: 2, top_k: null, user: 'me' }), [
    await generated({ temperature: 0, repeatPenalty: 2 }),
  ])
  const stopped = await ask(
    handler,
    post('/v1/completions', { prompt: ['Once', [1, 403]], ...GREEDY, stop: [' time'] }),
  )
  assert.equal(
    stopped.body.choices.map((choice: object) => ({ ...choice, logprobs: 0 })),
    [0, 1].map((index) => ({ text: ' upon a', index, logprobs: 0, finish_reason: 'stop' })),
  )
  assert.is(stopped.body.usage.prompt_tokens, 4)
  const limited = createHandler(model, { maxTokens: 3 })
  assert.is((await ask(limited, post('/v1/completions', { prompt: 'Once' }))).body.usage.completion_tokens, 3)
})

test('logprobs of /v1/completions are those of its tokens, whole and streamed', async () => {
  const handler = createHandler(model)
  const body = { prompt: 'Once', ...GREEDY, logprobs: 2 }
  const { choices } = (await ask(handler, post('/v1/completions', body))).body
  const { tokens, token_logprobs: logprobs, text_offset: offsets } = choices[0].logprobs
  assert.is(tokens.join(''), choices[0].text)
  for (const [i, offset] of offsets.entries()) assert.ok(choices[0].text.slice(offset).startsWith(tokens[i]))
  const stream = await (await handler(post('/v1/completions', { ...body, stream: true }))).text()
  const events = dataOf(stream)
  assert.is(events.pop(), '[DONE]')
  const parts = events.map((data) => JSON.parse(data).choices[0].logprobs).filter(Boolean)
  assert.equal(
    parts.flatMap((part) => part.token_logprobs),
    logprobs,
  )
  assert.equal(
    parts.flatMap((part) => part.text_offset),
    offsets,
  )
})

test('logprobs come with the text that their tokens make, however slowly it is read; the token that ends is left out', async () => {
  const ended = { logitBias: { 2: 18 }, temperature: 1.5, seed: 0 }
  // Held back until it is known not to be the stop text.
  const held = { stop: ' timely', temperature: 0, maxTokens: 30 }
  for (const more of [ended, held, { ...held, maxTokens: 3 }]) {
    const options = { ...more, logprobs: true }
    let running!: Generation
    const start = (all: GenerateOptions): Generation => (running = model.generate('Once', all))
    const pieces: Piece[] = []
    const [result] = await runChoices(
      [{ start, options, isEnd: (id) => model.tokenizer.isEndOfGeneration(id) }],
      1,
      new AbortController().signal,
      async (piece) => {
        // Slower than all is generated.
        await running.result()
        pieces.push(piece)
      },
    )
    assert.is(result!.finishReason, more === ended ? 'stop' : 'length')
    assert.equal(
      pieces.flatMap(({ logprobs }) => logprobs),
      textLogprobs(result!),
    )
    for (const { text, logprobs } of pieces) assert.is(logprobs.map((token) => token.text).join(''), text)
  }
})

test('tokens begin where the text before them ends, also within characters and where a stop text cuts it', async () => {
  const ids = model.tokenize('a 🦙 née b', { bos: false })
  const text = (count: number): string => model.detokenize(ids.slice(0, count), { continued: true })
  const expected = ids.map((_, i) => text(i).replace(/\ufffd+$/, '').length)
  assert.ok(new Set(expected).size <= ids.length - 3)
  assert.equal(new Offsets(model, true).next(ids.map((id) => ({ id }))), expected)
  const handler = createHandler(model)
  for (const fields of [
    { prompt: [[1, 5, 200], [1]], stop: 'a', seed: 5, temperature: 1.5, n: 3, max_tokens: 30 },
    { prompt: 'a 🦙 b', echo: true, ...GREEDY },
    { prompt: '', echo: true, ...GREEDY },
    { prompt: '', ...GREEDY },
  ]) {
    const { choices } = (await ask(handler, post('/v1/completions', { ...fields, logprobs: 0 }))).body
    const body = { ...fields, logprobs: 0, stream: true }
    const events = dataOf(await (await handler(post('/v1/completions', body))).text()).slice(0, -1)
    const parts = events.map((data) => JSON.parse(data).choices[0])
    for (const { index, logprobs, text } of choices) {
      const streamed = parts.filter((part) => part.index === index).flatMap((part) => part.logprobs?.text_offset ?? [])
      assert.equal(streamed, logprobs.text_offset)
      for (const [i, offset] of logprobs.text_offset.entries()) {
        const token = logprobs.tokens[i].replace(/bytes:.*|<s>/g, '')
        // A first word goes without its space.
        const whole = 'stop' in fields || text.slice(offset).startsWith(token)
        assert.ok(whole || (offset === 0 && text.startsWith(token.trim())), `${token} at ${offset} of ${text}`)
      }
    }
  }
  const none = await ask(handler, post('/v1/completions', { prompt: 'Once', max_tokens: 0, logprobs: 2 }))
  assert.equal(none.body.choices[0].logprobs, { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] })
})

test('tokens that are no text by themselves are told by their bytes; of equal ones the best counts', async () => {
  const body = { prompt: '🦙', echo: true, logprobs: 20, max_tokens: 0 }
  const { choices } = (await ask(createHandler(model), post('/v1/completions', body))).body
  const { tokens, top_logprobs: top } = choices[0].logprobs
  assert.equal(tokens.slice(-4), ['bytes:\\xf0', 'bytes:\\x9f', 'bytes:\\xa6', 'bytes:\\x99'])
  assert.is(Object.keys(top.at(-1)).length, 20)
  const token = (bytes: number[], logprob: number) => ({ id: 0, bytes: Uint8Array.from(bytes), logprob })
  const equal = [token([65], -1), token([9], -2), token([65], -3), token([0xef, 0xbf, 0xbd], -4)]
  const told = completionLogprobs([{ ...equal[0]!, top: equal }], [0]) as { top_logprobs: object[] }
  assert.equal(Object.entries(told.top_logprobs[0]!), Object.entries({ A: -1, '\t': -2, '\ufffd': -4 }))
})

test('embeddings are the model’s, as floats and as their bytes, and counted', async () => {
  const { handler, next } = logged(model)
  const input = ['Once upon a time', [1, 403, 407]]
  const { embeddings, tokens } = await model.embed(input as (string | number[])[])
  const { body } = await ask(handler, post('/v1/embeddings', { input }))
  assert.equal(
    body.data.map(({ embedding }: { embedding: number[] }) => embedding),
    embeddings.map((floats) => [...floats]),
  )
  const total = tokens[0]! + 3
  assert.equal(
    [body.object, body.model, body.usage.prompt_tokens, body.usage.total_tokens],
    ['list', 'stories', total, total],
  )
  const bytes = await ask(handler, post('/v1/embeddings', { input: input[0], encoding_format: 'base64' }))
  const [{ embedding, index, object }] = bytes.body.data
  assert.equal([embedding, index, object], [bits(embeddings[0]!), 0, 'embedding'])
  assert.is((await next()).promptTokens, total)
  const long = await ask(handler, post('/v1/embeddings', { input: ['a', 'a '.repeat(2000)] }))
  assert.equal([long.status, long.body.error.param, long.body.error.code], [400, 'input', 'context_length_exceeded'])
})

test('with echo, logprobs tell of the prompt too, whole and streamed', async () => {
  const handler = createHandler(model)
  // Longer than the logits that are held at once.
  const prompt = 'Once upon a time, there was a little girl named Lily. '.repeat(4).trim()
  const ids = model.tokenize(prompt)
  const { data, shape } = await model.logits(ids)
  const body = { prompt: [prompt, ids], ...GREEDY, max_tokens: 5, n: 2, echo: true, logprobs: 3 }
  const { choices, usage } = (await ask(handler, post('/v1/completions', body))).body
  assert.equal([choices.length, usage.prompt_tokens], [4, 2 * ids.length])
  const after = await model.generate(prompt, { temperature: 0, maxTokens: 5 }).result()
  for (const { text, logprobs } of choices) {
    assert.is(text, prompt + after.text)
    const { tokens, token_logprobs: told, top_logprobs: top, text_offset: offsets } = logprobs
    for (const list of [tokens, told, top, offsets]) assert.is(list.length, ids.length + 5)
    assert.equal([tokens[0], told[0], top[0], offsets[0]], ['<s>', null, null, 0])
    assert.is(tokens.slice(1).join(''), ` ${text}`)
    for (const [i, id] of ids.entries()) {
      if (i === 0) continue
      const row = data.subarray((i - 1) * shape[1], i * shape[1])
      assert.is(told[i], logprobsOf(row, id, 0)[0]![1])
      assert.is(Math.max(...(Object.values(top[i]) as number[])), logprobsOf(row, id, 1)[1]![1])
    }
    for (const [i, offset] of offsets.entries()) {
      if (i > 1) assert.ok(text.startsWith(tokens[i], offset), `${i}: ${tokens[i]} at ${offset}`)
    }
  }
  const stream = await (await handler(post('/v1/completions', { ...body, prompt, n: 1, stream: true }))).text()
  const events = dataOf(stream)
    .slice(0, -1)
    .map((data) => JSON.parse(data).choices[0])
  assert.is(events.map(({ text }) => text).join(''), prompt + after.text)
  for (const name of ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset']) {
    assert.equal(
      events.flatMap(({ logprobs }) => logprobs?.[name] ?? []),
      choices[0].logprobs[name],
    )
  }
  const alone = await ask(handler, post('/v1/completions', { prompt, echo: true, logprobs: 0, max_tokens: 0 }))
  assert.is(alone.body.choices[0].text, prompt)
  assert.is(alone.body.choices[0].logprobs.token_logprobs.length, ids.length)
})

test('answers are the same bits alone and among others, with and without a cached beginning', async () => {
  const handler = createHandler(model)
  const bodies = Array.from({ length: 24 }, (_, i) => ({
    prompt: `${'Once upon a time, there was a little girl. '.repeat(i % 3)}Lily ${'a '.repeat(i)}`,
    max_tokens: 10 + 2 * i,
    seed: i,
    temperature: 1.2,
    logprobs: 2,
    stream: i % 2 === 1,
  }))
  const told = async (body: object): Promise<unknown> => {
    const text = await (await handler(post('/v1/completions', body))).text()
    const lines = dataOf(text).filter((data) => data !== '[DONE]')
    const choices = lines.flatMap((line) => JSON.parse(line).choices)
    return [choices.map(({ text }) => text).join(''), choices.flatMap(({ logprobs }) => logprobs?.token_logprobs ?? [])]
  }
  const alone: unknown[] = []
  for (const body of bodies) {
    await model.reset()
    alone.push(await told(body))
  }
  assert.ok(new Set(alone.map((one) => JSON.stringify(one))).size > 20)
  await model.reset()
  const leaving = new AbortController()
  const left = handler(post('/v1/completions', { ...ENDLESS, stream: false }, { signal: leaving.signal }))
  setTimeout(() => leaving.abort(), 20)
  assert.equal(await Promise.all(bodies.map(told)), alone)
  assert.is((await left).status, 499)
  assert.equal(await Promise.all([...bodies].reverse().map(told)), [...alone].reverse())
})

sharedTest('usage tells what was found in the cache: a system prompt, and the turns so far', async () => {
  const smol = await load(SMOLLM, { threads: 2, context: 2048, onWarning: () => {} })
  try {
    const handler = createHandler(smol)
    const system = { role: 'system', content: 'You answer in few words, and never in verse. '.repeat(100) }
    const chat = async (...messages: object[]) => {
      const body = { messages: [system, ...messages], ...GREEDY }
      const { choices, usage } = (await ask(handler, post('/v1/chat/completions', body))).body
      return {
        answer: choices[0].message,
        fresh: usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens,
        usage,
      }
    }
    const [first, second] = ['Name a colour.', 'Which animal gives wool?'].map((content) => ({ role: 'user', content }))
    const begun = await chat(first!)
    assert.ok(begun.usage.prompt_tokens > 1000 && begun.fresh === begun.usage.prompt_tokens)
    // What a message is wrapped in, and at most as many tokens as it has.
    const most = 24
    assert.ok((await chat(second!)).fresh < most)
    const { role, content } = begun.answer
    const turn = await chat(first!, { role, content }, second!)
    assert.ok(turn.fresh < most, `${turn.fresh} tokens of ${turn.usage.prompt_tokens}`)
    assert.is((await chat(first!, { role, content }, second!)).fresh, 1)
  } finally {
    await smol.close()
  }
})

test('fields that contradict each other or the model are named', async () => {
  const handler = createHandler(model)
  const cases: [string, string, object][] = [
    ['/v1/chat/completions', 'top_logprobs', { messages: [{ role: 'user', content: '' }], top_logprobs: 1 }],
    ['/v1/completions', 'stream_options', { prompt: '', stream_options: {} }],
    ['/v1/completions', 'prompt', { prompt: [1, 512] }],
    ['/v1/completions', 'prompt', { prompt: 'a '.repeat(2000), stream: true }],
    ['/v1/completions', 'logit_bias', { prompt: '', logit_bias: { 512: 1 } }],
    [
      '/v1/chat/completions',
      'messages',
      { messages: [{ role: 'assistant', content: '' }], chat_template_kwargs: { messages: 5 } },
    ],
  ]
  for (const [path, param, fields] of cases.slice(0, -1)) {
    const { status, body } = await ask(handler, post(path, fields))
    assert.equal([status, body.error.param], [400, param], JSON.stringify(body))
  }
  const raises = createHandler(model, { template: "{{ raise_exception('no') }}" })
  const { status, body } = await ask(raises, post('/apply-template', cases.at(-1)![2]))
  assert.equal([status, body.error.param, body.error.code], [400, 'messages', 'template_raised'])
})

test('a field that is null counts as absent, also where it is required or not known', async () => {
  const handler = createHandler(model)
  const cases: [string, string, object, string][] = [
    ['/v1/completions', 'prompt', { prompt: null }, 'missing_required_parameter'],
    ['/v1/completions', 'prompt', {}, 'missing_required_parameter'],
    ['/v1/chat/completions', 'messages[0].role', { messages: [{ role: null }] }, 'missing_required_parameter'],
    ['/v1/chat/completions', 'messages[0]', { messages: [null] }, 'invalid_value'],
    ['/v1/completions', 'mood', { prompt: '', mood: 'bad' }, 'unknown_parameter'],
  ]
  for (const [path, param, fields, code] of cases) {
    const { status, body } = await ask(handler, post(path, fields))
    assert.equal([status, body.error.param, body.error.code], [400, param, code])
  }
  const nulls = { mood: null, wizardry: null, stop: null, messages: [{ role: 'user', content: 'Hi', parsed: null }] }
  const { status } = await ask(handler, post('/v1/chat/completions', { ...nulls, max_tokens: 1 }))
  assert.is(status, 200)
})

test('unknown addresses and models: 404; methods that an address has not: 405', async () => {
  const handler = createHandler({ a: model, b: model })
  for (const request of [get('/'), get('/v1/models/c'), post('/v1/rerank', {})]) {
    const { status, body } = await ask(handler, request)
    assert.is(status, 404, request.url)
    assert.is(body.error.type, 'not_found_error')
  }
  for (const [request, allow] of [
    [post('/health', {}), 'GET, HEAD'],
    [get('/v1/chat/completions'), 'POST'],
  ] as const) {
    const { status, headers, body } = await ask(handler, request)
    assert.equal([status, headers.get('allow'), body.error.code], [405, allow, 'method_not_allowed'])
  }
  for (const body of [{ content: 'x' }, { tokens: [1] }, { messages: [{ role: 'user', content: 'x' }] }]) {
    const path = 'content' in body ? '/tokenize' : 'tokens' in body ? '/detokenize' : '/apply-template'
    assert.is((await ask(handler, post(path, { ...body, model: 'b' }))).status, 200)
    assert.is((await ask(handler, post(path, { ...body, model: 'c' }))).status, 404)
  }
  const other = await ask(handler, post('/v1/completions', { model: 'c', prompt: 'x' }))
  assert.equal([other.status, other.body.error.param], [404, 'model'])
  assert.match(other.body.error.message, 'a, b')
  assert.is((await ask(handler, post('/v1/completions', { model: 'b', prompt: 'x', max_tokens: 1 }))).body.model, 'b')
})

test('fields that ask for nothing are no reason to refuse', async () => {
  const handler = createHandler(model)
  const messages = [{ role: 'user', content: 'Hi', name: null }]
  const nothing = { logprobs: false, top_logprobs: 0, tools: [], tool_choice: 'auto', stop: null, stream_options: null }
  const { status, body } = await ask(handler, post('/v1/chat/completions', { messages, max_tokens: 1, ...nothing }))
  assert.equal([status, body.choices[0].logprobs], [200, null], JSON.stringify(body))
})

test('keys: without the right one only /health answers', async () => {
  const handler = createHandler(model, { apiKeys: ['secret', 'other'] })
  const status = async (path: string, authorization?: string) =>
    (await handler(get(path, authorization === undefined ? {} : { authorization }))).status
  assert.is(await status('/health'), 200)
  assert.is(await status('/v1/health'), 200)
  for (const wrong of [undefined, '', 'secret', 'Bearer', 'Bearer secre', 'Bearer secrets', 'Basic secret']) {
    assert.is(await status('/v1/models', wrong), 401, wrong)
    assert.is(await status('/metrics', wrong), 401, wrong)
    assert.is(await status('/nowhere', wrong), 401, wrong)
  }
  assert.is(await status('/v1/models', 'Bearer secret'), 200)
  assert.is(await status('/v1/models', 'bearer other'), 200)
})

test('pages: of its own origin, and of those that are allowed', async () => {
  const page = (origin: string) => get('/v1/models', { origin })
  const closed = createHandler(model)
  assert.is((await closed(page('http://localhost'))).status, 200)
  const refused = await ask(closed, page('http://evil.example'))
  assert.equal([refused.status, refused.body.error.code], [403, 'origin_not_allowed'])
  assert.is(refused.headers.get('access-control-allow-origin'), null)
  const open = createHandler(model, { cors: ['http://good.example'], apiKeys: ['secret'] })
  const preflight = await open(
    new Request('http://localhost/v1/models', {
      method: 'OPTIONS',
      headers: { origin: 'http://good.example', 'access-control-request-headers': 'authorization' },
    }),
  )
  assert.is(preflight.status, 204)
  assert.is(preflight.headers.get('access-control-allow-origin'), 'http://good.example')
  assert.match(preflight.headers.get('access-control-allow-headers')!, 'authorization')
  assert.is((await open(page('http://good.example'))).headers.get('access-control-allow-origin'), 'http://good.example')
  assert.is((await open(page('http://evil.example'))).status, 403)
  const local = createHandler(model, { cors: 'localhost' })
  const asked = async (origin: string) => (await local(get('/v1/models', { origin }))).headers
  for (const origin of ['http://localhost', 'http://localhost:8081', 'https://127.0.0.1:3000', 'http://[::1]:3000']) {
    assert.is((await asked(origin)).get('access-control-allow-origin'), origin)
  }
  for (const origin of ['http://localhost.evil.example', 'http://notlocalhost', 'null', 'http://127.0.0.2']) {
    assert.is((await local(get('/v1/models', { origin }))).status, 403, origin)
    assert.not((await asked(origin)).has('access-control-allow-origin'))
  }
  const all = createHandler(model, { cors: '*' })
  assert.is((await all(page('http://any.example'))).headers.get('access-control-allow-origin'), '*')
})

test('a model that is closed: 503 with Retry-After; a failure nobody foresaw: 500, its details to the log alone', async () => {
  const closed = await load(STORIES, { threads: 1 })
  await closed.close()
  const errors: unknown[] = []
  const options = { onError: (error: unknown) => errors.push(error) }
  const gone = await ask(createHandler(closed, options), post('/v1/completions', { prompt: 'x' }))
  assert.equal([gone.status, gone.headers.get('retry-after'), gone.body.error.code], [503, '1', 'closed'])
  const broken = { info: model.info, generate: () => assert.unreachable('a secret') } as unknown as Model
  const failed = await ask(createHandler(broken, options), post('/v1/completions', { prompt: 'x' }))
  assert.is(failed.status, 500)
  assert.not.match(JSON.stringify(failed.body), 'secret')
  assert.is(errors.length, 2)
})

test('callbacks that throw harm no request', async () => {
  const said: unknown[] = []
  const { error } = console
  console.error = (thrown) => said.push(thrown)
  const broken = { info: model.info, generate: () => assert.unreachable() } as unknown as Model
  const fail = (message: string) => () => {
    throw message
  }
  try {
    const handler = createHandler(broken, { onRequest: fail('request'), onError: fail('error') })
    assert.is((await handler(get('/health'))).status, 200)
    assert.is((await handler(post('/v1/completions', { prompt: 'x' }))).status, 500)
    // A rejection that nobody handles would end the process.
    await new Promise((resolve) => setTimeout(resolve, 10))
    assert.equal(said, ['error', 'error', 'error'])
  } finally {
    console.error = error
  }
})

test('options that are wrong are refused', async () => {
  for (const options of [
    { parallel: 0 },
    { queue: -1 },
    { timeout: 1.5 },
    { bodyLimit: '1' },
    { apiKeys: [''] },
    { cors: 5 },
    { cors: [5] },
    { template: 5 },
    { onRequest: 5 },
    { onError: 'log' },
    5,
    null,
  ]) {
    await fails(() => createHandler(model, options as never), ArgumentError, 'INVALID_OPTION')
  }
  for (const models of [{}, { a: 5 }, null, 'x']) {
    await fails(() => createHandler(models as never), ArgumentError, 'INVALID_OPTION')
  }
})

test.run()
