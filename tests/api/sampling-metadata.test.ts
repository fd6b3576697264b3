/** What a file says of sampling: the defaults of a generation, below its options and above cria's. */
import { type CriaWarning, type GenerateOptions, inspect, load, type SamplerOptions } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { samplingOf } from '../../js/api/sampling.ts'
import type { MetadataValue } from '../../js/gguf/types.ts'
import { STORIES } from '../api-helpers.ts'
import { edited } from '../metadata-variants.ts'
import { shared, sharedTest } from '../shared.ts'

const S = 'general.sampling.'

/** The options that keys after the prefix make, and the keys that a warning names. */
function read(keys: Record<string, MetadataValue>): { options: SamplerOptions; warned: string[] } {
  const metadata = new Map(Object.entries(keys).map(([key, value]) => [S + key, value]))
  const warnings: CriaWarning[] = []
  const options = samplingOf(metadata, (warning) => void warnings.push(warning))
  for (const { code } of warnings) assert.is(code, 'SAMPLING_METADATA')
  return { options, warned: warnings.map(({ message }) => /general\.sampling\.(\w+)/.exec(message)![1]!) }
}

test('keys are options, their values as llama.cpp reads them from text', () => {
  const all = { temp: 0.6000000238418579, top_k: 20, top_p: 0.9, min_p: 0.01, penalty_last_n: -1, penalty_repeat: 1.1 }
  assert.equal(read(all), {
    options: { temperature: 0.6, topK: 20, topP: 0.9, minP: 0.01, repeatLastN: -1, repeatPenalty: 1.1 },
    warned: [],
  })
  assert.equal(read({ temp: '0.5', top_k: '7x', top_p: 1.5, min_p: -3 }).options, {
    temperature: 0.5,
    topK: 7,
    topP: 1,
    minP: 0,
  })
  assert.equal(read({ top_k: 9.9, penalty_last_n: -5 }).options, { topK: 9, repeatLastN: -1 })
  for (const value of ['x', true, Float32Array.of(1), Number.NaN]) {
    assert.equal(read({ temp: value }), { options: {}, warned: ['temp'] })
  }
})

test('XTC and Mirostat are options too; unknown keys are told of', () => {
  const keys = { xtc_probability: 0.5, xtc_threshold: 0.2, mirostat: 2, mirostat_tau: 4, mirostat_eta: 0.25 }
  assert.equal(read(keys), {
    options: { xtcProbability: 0.5, xtcThreshold: 0.2, mirostat: 2, mirostatTau: 4, mirostatEta: 0.25 },
    warned: [],
  })
  assert.equal(read({ mirostat: 7, xtc_probability: '2' }).options, { mirostat: 2, xtcProbability: 1 })
  assert.equal(read({ smoothing: 1 }).warned, ['smoothing'])
  assert.equal(read({ constructor: 1 }).warned, ['constructor'])
})

test('the sequence orders the samplers, by all names that llama.cpp knows them by', () => {
  const order = (sequence: string) => read({ sequence })
  assert.equal(order('top_k;temperature'), { options: { samplers: ['top_k', 'temperature'] }, warned: [] })
  assert.equal(order('penalties;dry;top-n-sigma;topk;typ;nucleus;min-p;xtc;temp').options.samplers, [
    'penalties',
    'dry',
    'top_n_sigma',
    'top_k',
    'typ_p',
    'top_p',
    'min_p',
    'xtc',
    'temperature',
  ])
  assert.equal(order('min_p;adaptive-p').options.samplers, ['min_p', 'adaptive_p'])
  assert.equal(order('infill;toString;top_k'), { options: { samplers: ['top_k'] }, warned: ['sequence'] })
  assert.equal(order(''), { options: {}, warned: [] })
  assert.equal(read({ sequence: 5 }).warned, ['sequence'])
})

const GREEDY = 'there was a little girl'

async function texts(model: Awaited<ReturnType<typeof load>>, options: GenerateOptions): Promise<Set<string>> {
  const all = [1, 2, 3, 4].map((seed) =>
    model.generate('Once upon a time', { maxTokens: 12, seed, ...options }).result(),
  )
  return new Set((await Promise.all(all)).map(({ text }) => text))
}

test('options count before the file, and the file before the defaults', async () => {
  const bytes = await edited([`${S}temp`, 'float32', 0], [`${S}top_p`, 'float32', 0.5], [`${S}smoothing`, 'int32', 1])
  const warnings: string[] = []
  const model = await load(bytes, { inProcess: true, onWarning: ({ message }) => void warnings.push(message) })
  assert.equal(model.info.sampling, { temperature: 0, topP: 0.5 })
  assert.equal([warnings.length, warnings[0]!.includes(`${S}smoothing 1`)], [1, true])
  const [text, ...others] = await texts(model, {})
  assert.equal(others, [])
  assert.ok(text!.includes(GREEDY))
  assert.is((await texts(model, { temperature: undefined as never })).size, 1)
  assert.ok((await texts(model, { temperature: 1.5, topP: 1 })).size > 1)
  assert.equal(await texts(model, { temperature: 1.5, topK: 1 }), new Set([text]))
  // The order can leave the temperature out.
  assert.ok((await texts(model, { samplers: ['top_k'], topK: 40 })).size > 1)
  await model.close()
  const shown = await inspect(bytes)
  assert.equal(shown.sampling, { temperature: 0, topP: 0.5 })
  assert.equal(
    shown.warnings.map(({ code }) => code),
    ['SAMPLING_METADATA'],
  )
  const plain = await load(STORIES, { inProcess: true })
  assert.equal(plain.info.sampling, {})
  assert.ok((await texts(plain, {})).size > 1)
  await plain.close()
})

test('the default order of samplers is the one without the option', async () => {
  const model = await load(STORIES, { inProcess: true })
  const options = {
    temperature: 1.2,
    topK: 20,
    topP: 0.8,
    minP: 0.02,
    repeatPenalty: 1.3,
    dryMultiplier: 1,
    xtcProbability: 0.5,
    adaptiveTarget: 0.3,
    seed: 7,
    maxTokens: 40,
  }
  const { ids } = await model.generate('One day', options).result()
  const samplers = [
    'penalties',
    'dry',
    'top_n_sigma',
    'top_k',
    'typ_p',
    'top_p',
    'min_p',
    'xtc',
    'temperature',
    'adaptive_p',
  ] as const
  assert.equal((await model.generate('One day', { ...options, samplers }).result()).ids, ids)
  const without = samplers.slice(1)
  const unpunished = (await model.generate('One day', { ...options, repeatPenalty: 1 }).result()).ids
  assert.equal((await model.generate('One day', { ...options, samplers: without }).result()).ids, unpunished)
  await model.close()
})

sharedTest('core-33: three seeds, one text, that of temperature 0', async () => {
  const model = await load(shared('cases', 'core-33-sampling-metadata', 'samp.gguf'), { inProcess: true })
  const found = await texts(model, {})
  assert.is(found.size, 1)
  assert.equal(await texts(model, { temperature: 0 }), found)
  await model.close()
})

test.run()
