/** Generations that a schema, a grammar or a regular expression constrains. */
import { Worker } from 'node:worker_threads'
import { ArgumentError, GrammarError, load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fails, STORIES } from '../api-helpers.ts'

const PERSON = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 12 }, age: { type: 'integer', minimum: 0, maximum: 99 } },
  required: ['name', 'age'],
  additionalProperties: false,
}
const PROMPT = 'Once upon a time'

/** Workers as they are started. */
const workers: Worker[] = []
const { unref } = Worker.prototype
Worker.prototype.unref = function (this: Worker) {
  if (this.constructor === Worker && !workers.includes(this)) workers.push(this)
  return unref.call(this)
}

function checkPerson(value: unknown): void {
  const { name, age, ...others } = value as Record<string, unknown>
  assert.equal(others, {})
  assert.type(name, 'string')
  assert.ok([...(name as string)].length <= 12)
  assert.ok(Number.isInteger(age) && (age as number) >= 0 && (age as number) <= 99)
}

test('a text that a schema constrains is a value of it, greedy and sampled, alone and in a batch', async () => {
  const model = await load(STORIES, { threads: 2, parallel: 4 })
  try {
    const options = Array.from({ length: 6 }, (_, seed) => ({
      schema: PERSON,
      compact: seed % 2 === 0,
      temperature: seed === 0 ? 0 : 1.5,
      seed,
      maxTokens: 400,
    }))
    const alone = []
    for (const each of options) alone.push(await model.generate(PROMPT, each).result())
    for (const [i, { text, json, finishReason }] of alone.entries()) {
      assert.is(finishReason, 'stop', text)
      assert.equal(json, JSON.parse(text))
      checkPerson(json)
      if (options[i]!.compact) assert.is(text, JSON.stringify(json))
    }
    const together = await Promise.all(options.map((each) => model.generate(PROMPT, each).result()))
    assert.equal(
      together.map(({ ids }) => ids),
      alone.map(({ ids }) => ids),
    )
  } finally {
    await model.close()
  }
})

test('forced tokens come at once, and with logprobs the same ones one by one', async () => {
  const model = await load(STORIES, { threads: 1 })
  try {
    const heard: number[] = []
    const schema = { const: { constant: [1, 2, 3] } }
    const options = { schema, compact: true, temperature: 0 }
    const { passes: before } = await model.status()
    const forced = await model.generate(PROMPT, { ...options, onToken: ({ id }) => heard.push(id) }).result()
    const { passes: after } = await model.status()
    assert.equal(forced.json, schema.const)
    assert.equal(heard, forced.ids)
    assert.ok(after.total - before.total < forced.ids.length, 'several tokens a pass')
    const each = await model.generate(PROMPT, { ...options, logprobs: true }).result()
    assert.equal(each.json, schema.const)
    assert.equal(each.ids, forced.ids)
    assert.equal(
      each.logprobs!.map(({ id }) => id),
      each.ids,
    )
    const drawn = await model.generate(PROMPT, { ...options, logprobs: true, postSamplingProbs: true }).result()
    assert.ok(drawn.logprobs!.every(({ logprob }) => logprob === 0))
  } finally {
    await model.close()
  }
})

test('grammars, regular expressions, JSON, several answers, streams and chats', async () => {
  const model = await load(STORIES, { threads: 2 })
  try {
    const settings = { temperature: 1, seed: 7, maxTokens: 400 }
    const yes = await model.generate(PROMPT, { ...settings, grammar: 'root ::= "yes" | "no"' }).result()
    assert.match(yes.text, /^(yes|no)$/)
    assert.is(yes.json, undefined)
    const code = await model.generate(PROMPT, { ...settings, regex: '[A-Z]{3}-\\d{2,4}' }).result()
    assert.match(code.text, /^[A-Z]{3}-\d{2,4}$/)
    const several = await model.generate(PROMPT, { ...settings, schema: PERSON, n: 3 }).result()
    for (const { json } of several.choices!) checkPerson(json)
    let streamed = ''
    const chat = model.chat([{ role: 'user', content: 'Who?' }], { ...settings, schema: PERSON })
    for await (const piece of chat) streamed += piece
    const { text, json } = await chat.result()
    assert.is(streamed, text)
    checkPerson(json)
    const any = await model.generate(PROMPT, { ...settings, json: true, maxTokens: 40 }).result()
    if (any.finishReason === 'stop') assert.equal(any.json, JSON.parse(any.text))
    const echoed = await model.generate(PROMPT, { ...settings, schema: PERSON, echo: true }).result()
    assert.ok(echoed.text.startsWith(PROMPT))
    checkPerson(echoed.json)
  } finally {
    await model.close()
  }
})

test('before minTokens a model does not end by itself, but where a grammar does', async () => {
  const model = await load(STORIES, { threads: 1 })
  try {
    const eos = model.tokenizer.eos!
    const options = { temperature: 0, logitBias: { [eos]: 100 }, maxTokens: 40 }
    assert.equal((await model.generate('', options).result()).ids, [eos])
    const { ids } = await model.generate('', { ...options, minTokens: 7 }).result()
    assert.is(ids.indexOf(eos), 7)
    assert.is(ids.length, 8)
    const { text } = await model.generate('', { ...options, minTokens: 50, regex: 'ok' }).result()
    assert.is(text, 'ok')
    const digits = await model.generate('', { ...options, minTokens: 20, regex: '[0-9]*', maxTokens: 20 }).result()
    assert.match(digits.text, /^[0-9]{20,}$/)
  } finally {
    await model.close()
  }
})

test('what is cut short is no value, and says so', async () => {
  const model = await load(STORIES, { threads: 1, context: 64 })
  try {
    for (const limits of [{ maxTokens: 4 }, {}]) {
      const options = { schema: { type: 'string', minLength: 500 }, temperature: 0, ...limits }
      const { text, json, finishReason } = await model.generate(PROMPT, options).result()
      assert.is(finishReason, 'length')
      assert.is(json, undefined)
      assert.ok(text.startsWith('"'))
    }
  } finally {
    await model.close()
  }
})

test('a worker that dies costs no answer that a grammar constrains', async () => {
  const model = await load(STORIES, { threads: 2 })
  try {
    const schema = { type: 'array', items: PERSON, minItems: 8, maxItems: 8 }
    const options = { schema, temperature: 1.2, seed: 3 }
    const expected = await model.generate(PROMPT, options).result()
    await model.reset()
    let tokens = 0
    const onToken = (): void => {
      if (++tokens === 60) void workers.at(-1)!.terminate()
    }
    const disturbed = await model.generate(PROMPT, { ...options, onToken }).result()
    assert.equal(disturbed.ids, expected.ids)
    assert.equal(disturbed.json, expected.json)
    assert.is(tokens, expected.ids.length)
  } finally {
    await model.close()
  }
})

test('a text without a prompt has all that the grammar says, a blank before the first word too', async () => {
  const model = await load(STORIES, { threads: 1 })
  try {
    for (const regex of [' once', 'once', ' [a-z]+', '[a-z]{3}']) {
      const { text } = await model.generate('', { regex, temperature: 0, maxTokens: 50 }).result()
      assert.match(text, new RegExp(`^(?:${regex})$`))
    }
  } finally {
    await model.close()
  }
})

test('wrong schemas, grammars and options are refused, and the model goes on', async () => {
  const model = await load(STORIES, { threads: 1 })
  try {
    const generate = (options: object) => model.generate(PROMPT, options).result()
    await fails(generate({ schema: { type: 'text' } }), GrammarError, 'SCHEMA_SYNTAX')
    await fails(generate({ schema: { type: 'array', uniqueItems: true } }), GrammarError, 'SCHEMA_UNSUPPORTED')
    await fails(generate({ schema: false }), GrammarError, 'SCHEMA_EMPTY')
    await fails(generate({ grammar: 'root ::= (' }), GrammarError, 'GRAMMAR_SYNTAX')
    await fails(generate({ regex: '[' }), GrammarError, 'PATTERN_SYNTAX')
    await fails(generate({ regex: 'a^b' }), GrammarError, 'GRAMMAR_EMPTY')
    const dead = { grammar: 'root ::= rule []\nrule ::= "(" rule ")" | [a-z]', temperature: 1.5, seed: 1 }
    const { value } = await fails(generate(dead), GrammarError, 'GRAMMAR_EMPTY')
    assert.match(String(value), /^\(*[a-z]\)*$/)
    const circular: Record<string, unknown> = {}
    circular.not = circular
    for (const wrong of [
      { schema: 'text' },
      { schema: null },
      { schema: circular },
      { schema: {}, json: true },
      { json: 1 },
      { grammar: 5 },
      { regex: /a/ },
      { compact: true },
      { scema: {} },
    ]) {
      await fails(generate(wrong), ArgumentError, 'INVALID_OPTION')
    }
    const { text } = await model.generate(PROMPT, { regex: 'ok' }).result()
    assert.is(text, 'ok')
  } finally {
    await model.close()
  }
})

test.run()
