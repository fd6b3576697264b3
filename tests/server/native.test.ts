/** llama-server's own endpoints: shapes and counts are those of llama-server. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type GenerateOptions, load, type Model } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { reportOf } from '../../js/chat/llama-server.ts'
import { STORIES } from '../api-helpers.ts'
import { cria } from '../cli-helpers.ts'
import { type Answer, ask, dataOf, first, get, post } from './helpers.ts'

const model = await load(STORIES, { threads: 2, context: 256, kvTokens: 1024, parallel: 3, onWarning: () => {} })
test.after(() => model.close())

const handler = createHandler(
  { stories: model },
  { about: { stories: { path: 'a/stories260K.gguf', tags: ['tiny'] } } },
)
const GREEDY = { temperature: 0, n_predict: 12 }
const complete = async (fields: object, path = '/completion'): Promise<Answer['body']> =>
  (await ask(handler, post(path, { prompt: 'Once upon a time', ...GREEDY, ...fields }))).body

async function events(path: string, fields: object): Promise<Answer['body'][]> {
  const response = await handler(post(path, { prompt: 'Once upon a time', ...GREEDY, ...fields, stream: true }))
  return dataOf(await response.text()).map((data) => JSON.parse(data))
}

test('/completion answers in its own form, under both of its names', async () => {
  const { text, ids, promptTokens } = await model
    .generate('Once upon a time', { temperature: 0, maxTokens: 12 })
    .result()
  for (const path of ['/completion', '/completions']) {
    const body = await complete({ return_tokens: true, n_probs: 2, seed: 7 }, path)
    const { timings, generation_settings: settings, completion_probabilities: probabilities, ...rest } = body
    assert.equal(rest, {
      index: 0,
      content: text,
      tokens: ids,
      id_slot: 0,
      stop: true,
      model: 'stories',
      tokens_predicted: 12,
      tokens_evaluated: promptTokens,
      prompt: '<s> Once upon a time',
      has_new_line: false,
      truncated: false,
      stop_type: 'limit',
      stopping_word: '',
      tokens_cached: promptTokens + 11,
    })
    assert.equal([timings.prompt_n + timings.cache_n, timings.predicted_n], [promptTokens, 12])
    assert.ok(Math.abs(timings.predicted_per_second - (1000 / timings.predicted_ms) * 11) < 1e-6)
    assert.equal([settings.seed, settings.temperature, settings.n_predict, settings.n_probs], [7, 0, 12, 2])
    assert.is(probabilities.length, 12)
    for (const [i, token] of probabilities.entries()) {
      assert.equal([token.id, token.top_logprobs.length], [ids[i], 2])
      assert.is(token.top_logprobs[0].logprob, token.logprob)
      assert.is(Buffer.from(token.bytes).toString(), token.token)
    }
  }
  const stopped = await complete({ stop: ['little'] })
  assert.equal([stopped.stop_type, stopped.stopping_word], ['word', 'little'])
  assert.equal((await complete({})).tokens, [])
})

test('prompts are texts, ids, both, objects, and several', async () => {
  const once = model.tokenize('Once upon a time')
  const { content } = await complete({})
  for (const prompt of [once, [1, 'Once upon a time'], { prompt_string: 'Once upon a time' }, ['Once upon a time']]) {
    assert.is((await complete({ prompt })).content, content)
  }
  const several = await complete({ prompt: ['Once upon a time', once, { prompt_string: 'Once upon a time' }, [1, 2]] })
  assert.equal(
    several.map(({ index, content: one }: Answer['body']) => [index, one === content]),
    [
      [0, true],
      [1, true],
      [2, true],
      [3, false],
    ],
  )
  const mixed = await complete({ prompt: [1, 'Once', 403, ' upon'] })
  assert.is(mixed.prompt, `<s> Once${new TextDecoder().decode(model.tokenBytes(403))}  upon`)
  assert.is((await complete({ n: 2, seed: 1 })).length, 2)
  assert.is((await complete({ n_cmpl: 3 })).length, 3)
})

test('a stream has texts and ids, then all the rest, and no [DONE]', async () => {
  const { content } = await complete({})
  const all = await events('/completion', {})
  const last = all.pop()
  assert.is(all.map((event) => event.content).join(''), content)
  assert.is(all.flatMap((event) => event.tokens).length, 12)
  for (const event of all) assert.equal([event.stop, event.index, event.id_slot], [false, 0, 0])
  assert.equal([last.stop, last.content, last.tokens, last.tokens_predicted], [true, '', [], 12])
  assert.is(last.generation_settings.stream, true)
  const probable = await events('/completion', { n_probs: 3 })
  for (const event of probable.slice(0, -1)) assert.is(event.completion_probabilities[0].top_logprobs.length, 3)
})

test('prompt and answer together fill the context, as llama-server counts', async () => {
  for (const [fields, predicted, truncated] of [
    [{ n_predict: 64 }, 64, false],
    [{ n_predict: -1 }, 248, true],
  ] as const) {
    const body = await complete({ prompt: 'Hi how are you', ignore_eos: true, ...fields })
    assert.equal([body.tokens_evaluated, body.tokens_predicted, body.truncated], [8, predicted, truncated])
  }
  const shifting = createHandler(model, { defaults: { contextShift: true, ignoreEos: true } })
  const shifted = await ask(shifting, post('/completion', { prompt: 'Hi how are you', n_predict: 300 }))
  assert.equal([shifted.body.tokens_predicted, shifted.body.truncated], [300, true])
})

test('response_fields picks fields, also within others', async () => {
  const fields = ['content', 'generation_settings/n_predict', 'timings/none', 'nothing/at/all', 'prompt']
  assert.equal(await complete({ response_fields: fields }), {
    content: (await complete({})).content,
    'generation_settings/n_predict': 12,
    prompt: '<s> Once upon a time',
  })
})

test('logit_bias takes texts, pairs and false; ignore_eos shows what it bans', async () => {
  const { content } = await complete({})
  const [little] = model.tokenize(' little', { bos: false }).slice(-1)
  const banned = await complete({ logit_bias: [[' little', false]] })
  assert.not.match(banned.content, 'little')
  assert.ok(content.includes('little'))
  const added = await complete({
    logit_bias: [
      [little, false],
      [little, 100],
    ],
  })
  assert.equal(added.generation_settings.logit_bias, [{ bias: null, token: little }])
  for (const bias of [{ [String(little)]: -100 }, { ' little': -100 }]) {
    assert.not.match((await complete({ logit_bias: bias })).content, 'little')
  }
  const { logit_bias: ends } = (await complete({ ignore_eos: true })).generation_settings
  assert.ok(ends.length > 0)
  for (const { bias, token } of ends) assert.ok(bias === null && model.tokenizer.isEndOfGeneration(token))
  assert.equal((await complete({})).generation_settings.logit_bias, [])
})

test('samplers switches off what it leaves out', async () => {
  const text = async (fields: object): Promise<string> =>
    (await complete({ temperature: 1.5, seed: 3, ...fields })).content
  const off = { top_p: 1, min_p: 0, typical_p: 1, top_n_sigma: -1, repeat_last_n: 0 }
  const plain = await text({ top_k: 40, ...off })
  assert.is(await text({ samplers: ['top_k', 'temperature'] }), plain)
  assert.is(await text({ samplers: 'kt' }), plain)
  assert.is(await text({ samplers: ['top-k', 'temp'], top_p: 0.1, repeat_penalty: 2 }), plain)
  assert.is(await text({ samplers: [] }), await text({ temperature: 1, top_k: 0, ...off }))
  const all = (await complete({})).generation_settings.samplers
  assert.is(await text({ samplers: all }), await text({}))
})

test('DRY, XTC, Mirostat and adaptive-p do what the options of generate do, and the settings tell of them', async () => {
  const defaults = (await complete({})).generation_settings
  const cases: [fields: object, options: GenerateOptions][] = [
    [
      { dry_multiplier: 0.8, dry_base: 2, dry_allowed_length: 1, dry_penalty_last_n: -1, dry_sequence_breakers: ['.'] },
      { dryMultiplier: 0.8, dryBase: 2, dryAllowedLength: 1, dryPenaltyLastN: -1, drySequenceBreakers: ['.'] },
    ],
    [
      { xtc_probability: 0.5, xtc_threshold: 0.05 },
      { xtcProbability: 0.5, xtcThreshold: 0.05 },
    ],
    [
      { mirostat: 1, mirostat_tau: 3, mirostat_eta: 0.25 },
      { mirostat: 1, mirostatTau: 3, mirostatEta: 0.25 },
    ],
    [{ mirostat: 2 }, { mirostat: 2 }],
    [
      { adaptive_target: 0.25, adaptive_decay: 0.5 },
      { adaptiveTarget: 0.25, adaptiveDecay: 0.5 },
    ],
  ]
  const common = { temperature: 1.25, seed: 3 }
  const texts = new Set([(await complete(common)).content])
  for (const [fields, options] of cases) {
    const { content, generation_settings: settings } = await complete({ ...common, ...fields, n_predict: 40 })
    const { text } = await model.generate('Once upon a time', { ...common, ...options, maxTokens: 40 }).result()
    assert.is(content, text)
    texts.add(content)
    for (const [name, value] of Object.entries(fields)) {
      assert.equal(settings[name], value)
      assert.not.equal(defaults[name], value)
    }
  }
  assert.is(texts.size, cases.length + 1)
  // As in llama-server, a base below 1 is the default.
  assert.is((await complete({ dry_multiplier: 1, dry_base: 0 })).generation_settings.dry_base, 1.75)
  const off = { dry_multiplier: 0, xtc_probability: 0, mirostat: 0, adaptive_target: -2 }
  assert.is((await complete({ ...common, ...off })).content, (await complete(common)).content)
})

test('n_probs is for OpenAI’s endpoints too', async () => {
  const fields = { max_tokens: 6, seed: 3 }
  const messages = [{ role: 'user', content: 'Hi' }]
  const asked = async (path: string, more: object) =>
    (await ask(handler, post(path, { ...fields, ...more }))).body.choices[0].logprobs
  const chat = (more: object) => asked('/v1/chat/completions', { messages, ...more })
  const { content } = await chat({ n_probs: 3 })
  assert.is(content[0].top_logprobs.length, 3)
  assert.equal(await chat({ logprobs: true, top_logprobs: 3 }), { content, refusal: null })
  assert.equal(await chat({ logprobs: true, top_logprobs: 3, n_probs: 1 }), { content, refusal: null })
  assert.equal(await chat({ logprobs: true, n_probs: 3 }), { content, refusal: null })
  assert.is(await chat({ n_probs: 0 }), null)
  const completions = (more: object) => asked('/v1/completions', { prompt: 'Once', ...more })
  const told = await completions({ n_probs: 2 })
  assert.equal(await completions({ logprobs: 2 }), told)
  assert.equal(await completions({ logprobs: 2, n_probs: 1 }), told)
  assert.is(await completions({ n_probs: 0 }), null)
})

test('timings, verbose and id_slot are for OpenAI’s endpoints too', async () => {
  const messages = [{ role: 'user', content: 'Hi' }]
  const fields = { max_tokens: 3, temperature: 0, verbose: true, id_slot: 2 }
  const chat = (await ask(handler, post('/v1/chat/completions', { messages, ...fields }))).body
  assert.is(chat.timings.predicted_n, 3)
  assert.match(chat.system_fingerprint, /^b\d/)
  assert.is(chat.__verbose.prompt, `<s> ${model.applyTemplate(messages)}`)
  const text = (await ask(handler, post('/v1/completions', { prompt: 'Hi', ...fields }))).body
  assert.equal([text.timings.predicted_n, text.__verbose.prompt], [3, '<s> Hi'])
  const stream = { max_tokens: 3, stream: true, stream_options: { include_usage: true } }
  for (const [path, body] of [
    ['/v1/chat/completions', { messages, ...stream }],
    ['/v1/completions', { prompt: 'Hi', ...stream }],
  ] as const) {
    for (const perToken of [true, false]) {
      const stream = await (await handler(post(path, { ...body, timings_per_token: perToken }))).text()
      const chunks = dataOf(stream)
        .slice(0, -1)
        .map((data) => JSON.parse(data))
      const last = chunks.pop()
      assert.equal([last.timings.predicted_n, last.usage.completion_tokens], [3, 3])
      assert.is(chunks.at(-1).timings.predicted_n, 3)
      assert.is(chunks.at(-2).timings !== undefined, perToken)
      for (const chunk of chunks) assert.match(chunk.system_fingerprint, /^b\d/)
    }
  }
})

test('/slots tells what is computed, and that nothing is', async () => {
  const idle = [0, 1, 2].map((id) => ({ id, n_ctx: 256, speculative: false, is_processing: false }))
  assert.equal((await ask(handler, get('/slots'))).body, idle)
  const endless = { prompt: 'Once', ignore_eos: true, stream: true, id_slot: 1 }
  const shifting = createHandler(model, { defaults: { contextShift: true } })
  const readers = [await first(await shifting(post('/completion', endless)))]
  try {
    const { body } = await ask(shifting, get('/slots'))
    assert.equal(
      body.map((slot: Answer['body']) => slot.is_processing),
      [false, true, false],
    )
    const { n_prompt_tokens: prompt, next_token: next, params } = body[1]
    assert.equal([prompt, next[0].n_remain, params.ignore_eos], [model.tokenize('Once').length, -1, true])
    for (let i = 0; i < 2; i++) readers.push(await first(await shifting(post('/completion', endless))))
    const full = await ask(shifting, get('/slots?fail_on_no_slot=1'))
    assert.equal([full.status, full.body.error.code], [503, 'no_slot_available'])
  } finally {
    for (const reader of readers) await reader.cancel()
  }
  while ((await model.status()).running > 0) await new Promise((resolve) => setImmediate(resolve))
  assert.equal((await ask(shifting, get('/slots?fail_on_no_slot=1'))).body, idle)
  const off = await ask(createHandler(model, { slots: false }), get('/slots'))
  assert.equal([off.status, off.body.error.type], [501, 'not_supported_error'])
})

test('post_sampling_probs tells of what the sampler drew from', async () => {
  const fields = { prompt: 'Once', n_predict: 8, n_probs: 10, post_sampling_probs: true, temperature: 1, seed: 3 }
  const told = (await complete(fields)).completion_probabilities
  assert.is(told.length, 8)
  for (const { id, prob, top_probs: top, ...rest } of told) {
    assert.equal(Object.keys(rest), ['token', 'bytes'])
    assert.ok(prob > 0 && prob <= 1)
    for (const one of top) assert.ok(one.prob > 0 && one.prob <= top[0].prob)
    const sum = top.reduce((all: number, one: { prob: number }) => all + one.prob, 0)
    assert.ok(top.length === 10 ? sum <= 1 + 1e-9 : Math.abs(sum - 1) < 1e-9)
    assert.ok(top.length === 10 || top.some((one: { id: number }) => one.id === id))
  }
  // Greedily there is one.
  const greedy = await complete({ ...fields, temperature: 0 })
  for (const { id, prob, top_probs: top } of greedy.completion_probabilities) {
    assert.equal([prob, top.length, top[0].id, top[0].prob], [1, 1, id, 1])
  }
  assert.is(greedy.generation_settings.post_sampling_probs, true)
  const streamed = (await events('/completion', fields)).flatMap((event) => event.completion_probabilities ?? [])
  assert.equal(streamed, told)
  assert.not('completion_probabilities' in (await complete({ ...fields, n_probs: 0 })))
})

test('/props has the settings and the template in use, also where the file has none', async () => {
  const { body } = await ask(handler, get('/props'))
  const { params, n_ctx: context } = body.default_generation_settings
  assert.equal([context, params.temperature, params.top_k, params.seed], [256, 0.8, 40, 4294967295])
  assert.equal([body.model_alias, body.model_path, body.total_slots], ['stories', 'a/stories260K.gguf', 3])
  assert.is(model.info.chatTemplate, undefined)
  assert.is(body.chat_template, model.chatTemplate())
  assert.match(body.chat_template, /im_start/)
  assert.equal(body.chat_template_caps, reportOf(body.chat_template))
  assert.equal([body.chat_template_caps.supports_system_role, body.chat_template_caps.supports_tools], [true, false])
  const named = createHandler(model, { template: 'llama3', maxTokens: 9, defaults: { seed: 5 } })
  const { chat_template: template, default_generation_settings: settings } = (await ask(named, get('/props'))).body
  assert.match(template, /start_header_id/)
  assert.equal([settings.params.n_predict, settings.params.seed], [9, 5])
  const { data } = (await ask(handler, get('/models'))).body
  assert.equal([data.length, data[0].tags], [1, ['tiny']])
})

test('a file without a template is rendered as llama-server does it', async () => {
  const turn = (role: string, content: string): string => `<|im_start|>${role}\n${content}<|im_end|>\n`
  for (const messages of [
    [
      { role: 'system', content: 'S' },
      { role: 'user', content: 'U' },
    ],
    [
      { role: 'user', content: 'A' },
      { role: 'user', content: 'B' },
    ],
  ]) {
    const prompt = `${messages.map(({ role, content }) => turn(role, content)).join('')}<|im_start|>assistant\n`
    assert.equal((await ask(handler, post('/apply-template', { messages }))).body, { prompt })
    const { status } = await ask(handler, post('/v1/chat/completions', { messages, max_tokens: 2 }))
    assert.is(status, 200)
    const count = await ask(handler, post('/v1/chat/completions/input_tokens', { messages }))
    assert.equal(count.body, { input_tokens: model.tokenize(prompt).length, object: 'response.input_tokens' })
  }
  const llama2 = createHandler(model, { template: 'llama2' })
  const messages = [{ role: 'user', content: 'Hi' }]
  const { body } = await ask(llama2, post('/chat/completions/input_tokens', { messages }))
  // BOS is written by the template, and once.
  assert.is(body.input_tokens, model.tokenize('[INST] Hi [/INST]').length)
})

test('reasoning_effort is a variable of the template, and none switches thinking off', async () => {
  const template = '{{ reasoning_effort }}{{ enable_thinking }}{{ mood }}'
  const own = createHandler(model, { template })
  const prompt = async (fields: object): Promise<string> => {
    const body = { messages: [{ role: 'user', content: 'Hi' }], ...fields }
    return (await ask(own, post('/apply-template', body))).body.prompt
  }
  assert.is(await prompt({}), 'False')
  assert.is(await prompt({ reasoning_effort: 'medium', chat_template_kwargs: { mood: 'x' } }), 'mediumFalsex')
  assert.is(await prompt({ reasoning_effort: 'none', chat_template_kwargs: { enable_thinking: true } }), 'True')
})

test('/tokenize takes texts among ids', async () => {
  const { body } = await ask(handler, post('/tokenize', { content: [5, 'Hi', 7], add_special: true }))
  assert.equal(body.tokens, [5, ...model.tokenize('Hi', { bos: false }), 7])
  const begun = await ask(handler, post('/tokenize', { content: ['Hi', 7], add_special: true }))
  assert.equal(begun.body.tokens, [...model.tokenize('Hi'), 7])
})

test('/embedding has its own form, whatever its name and its field', async () => {
  const { embeddings } = await model.embed(['Once', 'Hi'])
  const raw = await model.embed('Once', { normalize: false })
  const expected = embeddings.map((floats, index) => ({ index, embedding: [[...floats]] }))
  for (const path of ['/embedding', '/embeddings']) {
    for (const name of ['content', 'input']) {
      const body = {
        [name]: [
          'Once',
          {
            content: [
              { type: 'text', text: 'H' },
              { type: 'text', text: 'i' },
            ],
          },
        ],
      }
      assert.equal((await ask(handler, post(path, body))).body, expected)
    }
  }
  const plain = await ask(handler, post('/embedding', { content: 'Once', embd_normalize: -1 }))
  assert.equal(plain.body[0].embedding, [[...raw.embeddings[0]!]])
  const none = await ask(handler, post('/embedding', {}))
  assert.equal([none.status, none.body.error.code], [400, 'missing_required_parameter'])
})

test('/infill puts the tokens of the vocabulary around the gap, and refuses where there are none', async () => {
  const none = await ask(handler, post('/infill', { input_prefix: 'a', input_suffix: 'b' }))
  assert.equal([none.status, none.body.error.type], [501, 'not_supported_error'])
  const missing = await ask(handler, post('/infill', { input_prefix: 'a' }))
  assert.equal([missing.status, missing.body.error.param], [400, 'input_suffix'])
  const folder = mkdtempSync(join(tmpdir(), 'cria-'))
  let filling: Model | undefined
  try {
    const file = join(folder, 'fim.gguf')
    writeFileSync(file, readFileSync(STORIES))
    const ids = { pre: 300, suf: 301, mid: 302 }
    await setIds(file, ids)
    filling = await load(file, { threads: 1, onWarning: () => {} })
    const text = (content: string): number[] => model.tokenize(content, { bos: false })
    const middle = [1, 300, ...text('a cat'), ...text('The'), 301, ...text('a dog'), 302]
    const snippet = (content: string): number[] => [...text('\n\n--- snippet ---\n\n'), ...text(content)]
    const body = { input_prefix: 'a cat', input_suffix: 'a dog', prompt: 'The', n_predict: 4, temperature: 0 }
    const expected = await promptOf(filling, middle)
    assert.equal(await infill(filling, body), [expected, middle.length])
    const files = [{ filename: 'x', text: 'one' }, { text: 'two' }]
    const all = [...snippet('one'), ...snippet('two'), ...middle]
    assert.equal(await infill(filling, { ...body, input_extra: files }), [await promptOf(filling, all), all.length])
    // What comes first goes where there is no room for all.
    const long = [{ text: 'a '.repeat(2000) }, { text: 'two' }]
    const [cut, length] = await infill(filling, { ...body, input_extra: long })
    assert.ok(cut!.endsWith(await promptOf(filling, [...snippet('two'), ...middle])))
    assert.is(length, filling.info.context - 4)
    await filling.close()
    await setIds(file, { rep: 303, sep: 304 })
    filling = await load(file, { threads: 1, onWarning: () => {} })
    const repository = [
      303,
      ...text('myproject\n'),
      304,
      ...text('x\n'),
      ...text('one'),
      304,
      ...text('tmp\n'),
      ...text('two'),
    ]
    const named = [...repository, 304, ...text('filename\n'), ...middle]
    assert.equal(await infill(filling, { ...body, input_extra: files }), [await promptOf(filling, named), named.length])
  } finally {
    await filling?.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

async function setIds(file: string, ids: Record<string, number>): Promise<void> {
  for (const [key, id] of Object.entries(ids)) {
    const name = `tokenizer.ggml.fim_${key}_token_id`
    const { code, stderr } = await cria(['gguf', 'set', file, name, String(id), '--type', 'uint32', '--force'])
    assert.is(code, 0, stderr)
  }
}

async function promptOf(one: Model, ids: number[]): Promise<string> {
  return ids.map((id) => new TextDecoder().decode(one.tokenBytes(id, { special: true }))).join('')
}

async function infill(one: Model, body: object): Promise<[prompt: string, tokens: number]> {
  const answer = await ask(createHandler(one), post('/infill', body))
  assert.is(answer.status, 200, JSON.stringify(answer.body))
  return [answer.body.prompt, answer.body.tokens_evaluated]
}

test('counters go by llama-server’s names and by cria’s', async () => {
  const own = createHandler(model)
  const asked = { prompt: 'the quick brown fox jumps over the dog', ...GREEDY }
  const values = async (): Promise<Map<string, number>> => {
    const response = await own(get('/metrics'))
    assert.ok(Number(response.headers.get('process-start-time-unix')) > 0)
    const lines = (await response.text()).split('\n').filter((line) => line && !line.startsWith('#'))
    return new Map(lines.map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]))
  }
  const before = await values()
  const counts = { prompt: 0, cached: 0, predicted: 0 }
  for (let i = 0; i < 2; i++) {
    const { timings } = (await ask(own, post('/completion', asked))).body
    counts.prompt += timings.prompt_n
    counts.cached += timings.cache_n
    counts.predicted += timings.predicted_n
  }
  assert.ok(counts.cached > 0)
  const after = await values()
  for (const prefix of ['llamacpp', 'cria']) {
    const grown = (name: string): number => after.get(`${prefix}:${name}`)! - before.get(`${prefix}:${name}`)!
    assert.equal(
      [grown('prompt_tokens_total'), grown('prompt_tokens_cached_total'), grown('tokens_predicted_total')],
      [counts.prompt, counts.cached, counts.predicted],
    )
    assert.ok(grown('n_decode_total') >= 2 * 12)
    assert.ok(after.get(`${prefix}:n_busy_slots_per_decode`)! >= 1)
  }
  const text = await (await own(get('/metrics'))).text()
  for (const [, name] of text.matchAll(/^([a-z]+:[a-z_]+)/gm)) {
    assert.match(text, `# HELP ${name} `)
    assert.match(text, `# TYPE ${name} `)
  }
})

test.run()
