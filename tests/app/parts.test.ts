/** Parts of the app that need no page: settings, addresses and needs of models, numbers, the server's answers. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { samplingOf, textOf } from '../../app/backend.ts'
import { FAMILIES } from '../../app/families.ts'
import { bytesText, durationText, parametersText } from '../../app/format.ts'
import { Meter, readAddress, sourceName, toFacts, verdict } from '../../app/models.ts'
import { bodyOf, eventsOf } from '../../app/server-backend.ts'
import {
  DEFAULT_SETTINGS,
  keepSettings,
  NUMBER_FIELDS,
  readNumber,
  readSettings,
  type Settings,
} from '../../app/settings.ts'
import { inspect } from '../../js/index.ts'
import { STORIES } from '../api-helpers.ts'

test('numbers as people read them', () => {
  assert.equal([1e3, 1.06e6, 105e6, 4.92e9, 12.3e9].map(bytesText), ['1.0 kB', '1.1 MB', '105 MB', '4.9 GB', '12.3 GB'])
  assert.equal([0.2, 45, 150, 4000].map(durationText), ['1 s', '45 s', '3 min', '1 h 7 min'])
  assert.equal([260e3, 135e6, 1.24e9].map(parametersText), ['260K', '135M', '1.2B'])
})

test('settings are kept, and only what fits is read', () => {
  const kept = new Map<string, string>()
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  }
  assert.equal(readSettings(storage), DEFAULT_SETTINGS)
  const chosen: Settings = {
    ...DEFAULT_SETTINGS,
    temperature: 0,
    seed: 7,
    theme: 'dark',
    reasoning: 'off',
    alternatives: true,
  }
  keepSettings(storage, chosen)
  assert.equal(readSettings(storage), chosen)
  for (const damaged of ['{', 'null', '{"temperature":"1","topK":-4,"theme":"pink","system":3,"other":1}']) {
    assert.equal(readSettings({ getItem: () => damaged }), DEFAULT_SETTINGS, damaged)
  }
})

test('fields take numbers of their range, and nothing', () => {
  for (const field of NUMBER_FIELDS) {
    assert.equal(readNumber(field, ' '), {})
    for (const value of [field.least, field.most]) assert.equal(readNumber(field, String(value)), { value })
    for (const text of ['x', String(field.least - 1), String(field.most + 1)]) {
      assert.match(readNumber(field, text).problem!, String(field.most))
    }
    assert.is(readNumber(field, String(field.least + 0.5)).problem === undefined, field.step !== 1, field.key)
  }
})

test('addresses of models', () => {
  assert.is(readAddress(' hf:a/b/c-Q4.gguf '), 'hf:a/b/c-Q4.gguf')
  assert.is(readAddress('https://example.org/m'), 'https://example.org/m')
  assert.is(
    readAddress('https://huggingface.co/a/b/blob/main/c.gguf'),
    'https://huggingface.co/a/b/resolve/main/c.gguf',
  )
  for (const wrong of ['', 'hf:a/b', 'model.gguf', 'javascript:1']) assert.throws(() => readAddress(wrong), /hf:owner/)
  assert.is(sourceName({ kind: 'address', address: 'https://a/b/c.gguf?x=1' }), 'c.gguf')
  for (const { address, bytes } of FAMILIES) {
    assert.is(readAddress(address), address)
    assert.ok(bytes > 1e8)
  }
})

test('what a model needs is read from its header', async () => {
  const facts = toFacts(await inspect(STORIES, { threads: 1 }), 'file')
  assert.is(facts.name, 'stories260K')
  assert.is(facts.architecture, 'llama')
  assert.is(facts.memory!.context, 512)
  assert.ok(facts.memory!.total > facts.fileBytes)
  assert.is(facts.problem, undefined)
})

test('what a device can hold', () => {
  const level = (gigabytes: number, memory: number | undefined, phone = false) =>
    verdict(gigabytes * 1e9, { memory, phone }).level
  assert.is(level(0.5, 4), 'good')
  assert.is(level(3, 4), 'tight')
  assert.is(level(5, 4), 'bad')
  assert.is(level(6, 8), 'tight')
  assert.is(level(20, 8), 'tight')
  assert.is(level(1, undefined), 'good')
  assert.is(level(5, undefined), 'tight')
  assert.is(level(1, undefined, true), 'good')
  assert.is(level(2, undefined, true), 'bad')
})

test('a download has a speed and an end', () => {
  const meter = new Meter()
  assert.equal(meter.at(0, 1000, 0), { done: 0, total: 1000, bytesPerSecond: 0, secondsLeft: undefined })
  assert.equal(meter.at(500, 1000, 1000), { done: 500, total: 1000, bytesPerSecond: 500, secondsLeft: 1 })
  for (let second = 2; second <= 20; second++) meter.at(500, 1000, 1000 * second)
  assert.is(meter.at(500, 1000, 21_000).bytesPerSecond, 0, 'of the last seconds alone')
})

const settings: Settings = { ...DEFAULT_SETTINGS, temperature: 0.5, topK: 3, maxTokens: 9, seed: 1, context: 64 }
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi ' },
]

test('settings as cria and the server take them', () => {
  assert.equal(samplingOf(settings), { temperature: 0.5, topK: 3, maxTokens: 9, seed: 1 })
  assert.equal(samplingOf(DEFAULT_SETTINGS), {})
  const asked = { model: 'm', stream: true, stream_options: { include_usage: true } }
  const sampling = { temperature: 0.5, top_k: 3, max_tokens: 9, seed: 1 }
  assert.equal(bodyOf({ messages, settings }, 'm', true), { ...asked, ...sampling, messages })
  assert.equal(bodyOf({ messages, settings }, 'm', false), { ...asked, ...sampling, prompt: 'Be brief.\nHi' })
  assert.is(textOf(messages), 'Be brief.\nHi')
  const thinking = bodyOf(
    { messages, settings: { ...DEFAULT_SETTINGS, reasoning: 'off', alternatives: true } },
    'm',
    true,
  )
  assert.equal(thinking, {
    ...asked,
    messages,
    chat_template_kwargs: { enable_thinking: false },
    logprobs: true,
    top_logprobs: 5,
  })
})

test('events are read however they are cut', async () => {
  const bytes = new TextEncoder().encode('data: {"a":"é"}\n\n: ping\n\ndata: [DONE]\n\n')
  for (let at = 0; at <= bytes.length; at++) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const part of [bytes.slice(0, at), bytes.slice(at)]) controller.enqueue(part)
        controller.close()
      },
    })
    const data: string[] = []
    for await (const one of eventsOf(body)) data.push(one)
    assert.equal(data, ['{"a":"é"}', '[DONE]'])
  }
})

test.run()
