/** Fields that ask for nothing, are of no consequence, or are the default are taken; what changes answers is refused by name. */
import { load } from 'cria'
import { createHandler } from 'cria/server'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { type Answer, ask, post } from './helpers.ts'

const model = await load(STORIES, { threads: 1, onWarning: () => {} })
test.after(() => model.close())
const handler = createHandler(model)

const HI = { role: 'user', content: 'Hi' }
const SMALL = { max_tokens: 2, temperature: 0 }
const chat = (messages: unknown[], fields: object = {}): Promise<Answer> =>
  ask(handler, post('/v1/chat/completions', { messages, ...SMALL, ...fields }))

const plain = (await chat([HI])).body.choices

const NEUTRAL: object[] = [
  { chat_id: 'x' },
  { keep_alive: '5m' },
  { keep_alive: -1 },
  { num_ctx: 256 },
  { id_slot: 0 },
  { id_slot: -1 },
  { timings_per_token: true },
  { return_progress: true },
  { add_generation_prompt: true },
  { continue_final_message: false },
  { reasoning_effort: 'medium' },
  { reasoning_format: 'auto' },
  { foo: null, bar: null },
  { tools: [], tool_choice: 'none', parallel_tool_calls: false },
  { functions: null, function_call: 'auto' },
  { response_format: { type: 'text' } },
  { response_format: { type: 'text', json_schema: null } },
  { modalities: ['text'], audio: null },
  { n: 1, best_of: 1, stream: false },
  { grammar: '', json_schema: null, mirostat: 0, mirostat_tau: 5, dry_multiplier: 0, dry_base: 1.75 },
  { dry_sequence_breakers: ['\n'], xtc_probability: 0, xtc_threshold: 0.1, adaptive_target: -1 },
  { t_max_predict_ms: 0, n_indent: 0, n_discard: 0, n_keep: 0, n_cache_reuse: 256, lora: [] },
  { n_probs: 0, post_sampling_probs: false, backend_sampling: false, return_tokens: true },
  { samplers: ['penalties', 'dry', 'top_n_sigma', 'top_k', 'typ_p', 'top_p', 'min_p', 'xtc', 'temperature'] },
  { skip_special_tokens: true, use_beam_search: false, length_penalty: 1, repetition_penalty: 1, stop_token_ids: [] },
  { user: 'me', metadata: {}, store: true, service_tier: 'auto', verbosity: 'medium' },
  { cache_prompt: false, session_id: 'x', provider: { order: [] }, transforms: [] },
  { logprobs: false, top_logprobs: 0, logit_bias: {}, stop: [], seed: -1 },
]

test('fields without effect, values that ask for nothing, and defaults change no answer', async () => {
  for (const fields of NEUTRAL) {
    const { status, body } = await chat([HI], fields)
    assert.equal([status, body.choices], [200, plain], JSON.stringify([fields, body]))
  }
  const unlimited = { messages: [HI], temperature: 0 }
  const whole = (await ask(handler, post('/v1/chat/completions', unlimited))).body.choices
  for (const name of ['max_tokens', 'max_completion_tokens', 'n_predict']) {
    const { body } = await ask(handler, post('/v1/chat/completions', { ...unlimited, [name]: -1 }))
    assert.equal(body.choices, whole, name)
  }
})

test('null is absent, whatever the field, wherever it is', async () => {
  const fields = Object.fromEntries(NEUTRAL.flatMap((some) => Object.keys(some).map((name) => [name, null])))
  const nulls = { ...fields, logit_bias: null, stream_options: null, model: null, wizardry: null }
  for (const [path, own] of [
    ['/v1/chat/completions', { messages: [{ ...HI, name: null, refusal: null, wizardry: null }] }],
    ['/v1/completions', { prompt: 'Hi' }],
    ['/completion', { prompt: 'Hi' }],
    ['/apply-template', { messages: [HI] }],
    ['/tokenize', { content: 'Hi' }],
    ['/v1/embeddings', { input: 'Hi' }],
  ] as const) {
    const { status, body } = await ask(handler, post(path, { ...nulls, ...own, n_predict: null }))
    assert.is(status, 200, `${path} ${JSON.stringify(body)}`)
  }
})

test('messages as clients keep them', async () => {
  for (const more of [
    { reasoning: null },
    { parsed: null },
    { parsed: { name: 'x' } },
    { name: '' },
    { id: 'x' },
    { cache_control: { type: 'ephemeral' } },
    { content: [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } }] },
    { tool_calls: [], annotations: [], refusal: null, audio: null, function_call: null },
    { provider_specific_fields: { refusal: null } },
    { reasoning_content: null, thinking_blocks: null, timestamp: 5, metadata: {} },
  ]) {
    const { status, body } = await chat([{ ...HI, ...more }])
    assert.equal([status, body.choices], [200, plain], JSON.stringify([more, body]))
  }
})

test('what is not supported is told before what is missing, wherever it is', async () => {
  const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }
  const assistant = { role: 'assistant', content: null, tool_calls: [call] }
  const tool = { role: 'tool', tool_call_id: 'c', content: 'x' }
  for (const [messages, param] of [
    [[HI, { role: 'assistant', content: null, refusal: 'no' }], 'messages[1].refusal'],
    [[HI, { role: 'assistant', audio: { id: 'x' } }], 'messages[1].audio'],
    // Also where something is missing in a message before.
    [[{ role: 'user' }, { role: 'assistant', audio: { id: 'x' } }], 'messages[1].audio'],
    [[{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }], 'messages[0].content[0].type'],
  ] as const) {
    const { status, body } = await chat([...messages])
    assert.equal([status, body.error.param, body.error.code], [400, param, 'unsupported_parameter'])
    assert.match(body.error.message, /not supported/)
  }
  assert.is((await chat([HI, assistant, tool])).status, 200, 'calls and their results are history')
  const parsed = { ...call, function: { ...call.function, parsed_arguments: { x: 1 } } }
  assert.is((await chat([HI, { ...assistant, tool_calls: [parsed] }, tool])).status, 200, 'and as clients parse them')
  for (const [fields, param] of [
    [{ tools: [{ type: 'function' }] }, 'tools[0].function'],
    [{ best_of: 2 }, 'best_of'],
    [{ wizardry: 1 }, 'wizardry'],
    [{ temperature: 'hot' }, 'temperature'],
    [{}, 'messages'],
  ] as const) {
    const answer = await ask(handler, post('/v1/chat/completions', fields))
    assert.equal([answer.status, answer.body.error.param], [400, param])
  }
})

test('what changes answers and is not there is refused by name', async () => {
  for (const [fields, param] of [
    [{ num_ctx: 100_000 }, 'num_ctx'],
    [{ t_max_predict_ms: 5 }, 't_max_predict_ms'],
    [{ samplers: ['mirostat'] }, 'samplers'],
    [{ mirostat_mode: 2 }, 'mirostat_mode'],
    [{ lora: [{ id: 0, scale: 1 }] }, 'lora'],
    [{ repetition_penalty: 1.1 }, 'repetition_penalty'],
    [{ options: { num_gpu: 1 } }, 'options'],
  ] as const) {
    const { status, body } = await chat([HI], fields)
    assert.equal([status, body.error.param, body.error.code], [400, param, 'unsupported_parameter'])
  }
  for (const dimensions of [model.info.embeddingLength, 5]) {
    const { status } = await ask(handler, post('/v1/embeddings', { input: 'Hi', dimensions }))
    assert.is(status, dimensions === 5 ? 400 : 200)
  }
})

test.run()
