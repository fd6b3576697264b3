/** Options that there are not: each call refuses them by name and says which is near. */
import { ArgumentError, convertLlama2c, type Generation, inspect, load, loadTokenizer, quantize, readGguf } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { nearest } from '../../js/util/nearest.ts'
import { fails, STORIES } from '../api-helpers.ts'

const model = await load(STORIES, { threads: 1 })
const tokenizer = await loadTokenizer(STORIES)
test.after(() => model.close())

const MESSAGES = [{ role: 'user', content: 'Hi' }]
const ended = (generation: Generation): Promise<unknown> => generation.result()
// biome-ignore lint/suspicious/noExplicitAny: options that the types refuse
type Wrong = any

/** Of each call: what it is called with, an option misspelled, the option meant (none: nothing is near). */
const CALLS: Record<string, [(options: Wrong) => unknown, name: string, meant?: string][]> = {
  load: [
    [(o) => load(STORIES, o), 'thread', 'threads'],
    [(o) => load(STORIES, o), 'n_threads', 'threads'],
    [(o) => load(STORIES, o), 'temperature'],
  ],
  inspect: [[(o) => inspect(STORIES, o), 'contxt', 'context']],
  readGguf: [[(o) => readGguf(STORIES, o), 'header', 'headers']],
  loadTokenizer: [[(o) => loadTokenizer(STORIES, o), 'tokn', 'token']],
  generate: [
    [(o) => ended(model.generate('', o)), 'maxToken', 'maxTokens'],
    [(o) => ended(model.generate('', o)), 'max_tokens', 'maxTokens'],
    [(o) => ended(model.generate('', o)), 'MaxTokens', 'maxTokens'],
    [(o) => ended(model.generate('', o)), 'temprature', 'temperature'],
    [(o) => ended(model.generate('', o)), 'temp', 'temperature'],
    [(o) => ended(model.generate('', o)), 'topk', 'topK'],
    [(o) => ended(model.generate('', o)), 'onTokens', 'onToken'],
    // A chat's.
    [(o) => ended(model.generate('', o)), 'template'],
    [(o) => ended(model.generate('', o)), 'mirostatMode'],
  ],
  chat: [
    [(o) => ended(model.chat(MESSAGES, o)), 'templateVariable', 'templateVariables'],
    [(o) => ended(model.chat(MESSAGES, o)), 'seeed', 'seed'],
    [(o) => model.applyTemplate(MESSAGES, o), 'tool', 'tools'],
    [(o) => model.createChat(o), 'sytem', 'system'],
    [(o) => ended(model.createChat().send('Hi', o)), 'stopp', 'stop'],
    [(o) => ended(model.createChat().send('Hi', o)), 'system'],
  ],
  embed: [[(o) => model.embed('a', o), 'normalise', 'normalize']],
  logits: [[(o) => model.logits([1], o), 'form', 'from']],
  perplexity: [[(o) => model.perplexity('a', o), 'chunk', 'chunks']],
  imatrix: [[(o) => model.imatrix('a', o), 'data_set', 'dataset']],
  saveState: [[(o) => model.saveState('a', o), 'singal', 'signal']],
  loadState: [[(o) => model.loadState(new Uint8Array(), o), 'signals', 'signal']],
  tokenize: [
    [(o) => model.tokenize('a', o), 'specials', 'special'],
    [(o) => tokenizer.tokenize('a', o), 'addSpecial'],
  ],
  detokenize: [
    [(o) => model.detokenize([1], o), 'Special', 'special'],
    [(o) => model.tokenBytes(1, o), 'spezial', 'special'],
    [(o) => tokenizer.detokenize([1], o), 'continue', 'continued'],
    [(o) => tokenizer.stream(o), 'skipSpecial'],
  ],
  quantize: [[(o) => quantize(STORIES, 'Q8_0', o).next(), 'allowRequantise', 'allowRequantize']],
  convertLlama2c: [
    [(o) => convertLlama2c(new Uint8Array(), new Uint8Array(), { outtype: 'f32', ...o }).next(), 'licence', 'license'],
  ],
}

for (const [call, cases] of Object.entries(CALLS)) {
  test(`${call} refuses options that there are not`, async () => {
    for (const [run, name, meant] of cases) {
      const error = await fails(new Promise((resolve) => resolve(run({ [name]: 1 }))), ArgumentError, 'INVALID_OPTION')
      const advice = meant === undefined ? `There is no option ${name}; there are ` : `; write ${meant}.`
      assert.ok(error.message.startsWith(`There is no option ${name}; `), error.message)
      assert.ok(error.message.includes(advice), error.message)
      assert.is(error.value, name)
    }
    const { text } = await model.generate('', { temperature: 0, maxTokens: 6 }).result()
    assert.ok(text.startsWith('Once upon a time'), text)
  })
}

test('an option that is undefined is as good as absent', async () => {
  const { completionTokens } = await model.generate('', { maxToken: undefined, maxTokens: 2 } as Wrong).result()
  assert.is(completionTokens, 2)
})

test('the nearest name', () => {
  const names = ['temperature', 'topK', 'topP', 'seed', 'stop']
  for (const [given, meant] of [
    ['tempreature', 'temperature'],
    ['TEMPERATURE', 'temperature'],
    ['tempe', 'temperature'],
    ['topp', 'topP'],
    ['sede', 'seed'],
    ['stpo', 'stop'],
    ['x', undefined],
    ['', undefined],
    ['repetition', undefined],
  ] as const) {
    assert.is(nearest(given, names), meant, given)
  }
})

test.run()
