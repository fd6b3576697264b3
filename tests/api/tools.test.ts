/** Chats with tools: calls that fit their schemas in every template's format, parts of a stream, reasoning, tools that run. */
import { readdirSync, readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { AbortError, ArgumentError, type ChatDelta, GrammarError, load, type Model, ToolError } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fails, STORIES } from '../api-helpers.ts'
import { HERMES } from '../hermes-template.ts'
import { shared, sharedTest } from '../shared.ts'

/** Short enough that a model of random words ends. */
const TOOLS = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'The weather of a city.',
      parameters: {
        type: 'object',
        properties: { city: { enum: ['Brest', 'Paris'] }, days: { type: 'integer', minimum: 1, maximum: 9 } },
        required: ['city'],
        additionalProperties: false,
      },
    },
  },
  {
    type: 'function',
    function: {
      name: 'set_alarm',
      parameters: {
        type: 'object',
        properties: {
          label: { type: 'string', maxLength: 5 },
          on: { type: 'boolean' },
          days: { type: 'array', items: { enum: ['mon', 'tue'] }, minItems: 1, maxItems: 2 },
        },
        required: ['on', 'days'],
        additionalProperties: false,
      },
    },
  },
]
const MESSAGES = [{ role: 'user', content: 'What is the weather in Brest?' }]
const ajv = new Ajv2020({ strict: false })
const valid = new Map(TOOLS.map(({ function: { name, parameters } }) => [name, ajv.compile(parameters)]))
const THINKING = `{%- for m in messages %}[{{ m.role }}]{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}
{% endfor %}{% if add_generation_prompt %}[assistant]{% if enable_thinking is defined and not enable_thinking %}<think>

</think>

{% endif %}{% endif %}`

async function withModel(use: (model: Model) => Promise<void>, options: object = {}): Promise<void> {
  const model = await load(STORIES, {
    threads: 2,
    parallel: 8,
    context: 8192,
    overrides: { 'llama.context_length': 8192 },
    onWarning: () => {},
    ...options,
  })
  try {
    await use(model)
  } finally {
    await model.close()
  }
}

/** What deltas add up to. */
function joined(deltas: readonly ChatDelta[]) {
  const calls: { id: string; name: string; arguments: string }[] = []
  for (const { toolCall } of deltas) {
    if (!toolCall) continue
    const { index, id = '', name = '', arguments: args } = toolCall
    calls[index] ??= { id, name, arguments: '' }
    calls[index].arguments += args
  }
  const textOf = (part: 'content' | 'reasoning') => deltas.map((delta) => delta[part] ?? '').join('')
  return { text: textOf('content'), reasoning: textOf('reasoning'), calls }
}

sharedTest(
  'where a call is required, every template’s answer calls tools with arguments that fit, alone and in a batch',
  async () => {
    const folder = shared('vectors', 'tools')
    const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
    assert.ok(files.length > 0)
    await withModel(async (model) => {
      const runs = files.flatMap((file) => {
        const { template, extra } = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'))
        return [1].map((seed) => ({
          file,
          options: { template, templateVariables: { ...extra, enable_thinking: false }, seed },
        }))
      })
      const answers = await Promise.all(
        runs.map(async ({ file, options }) => {
          const deltas: ChatDelta[] = []
          const result = await model
            .chat(MESSAGES, {
              ...options,
              tools: TOOLS,
              toolChoice: 'required',
              parallelToolCalls: false,
              reasoning: false,
              temperature: 1.5,
              maxTokens: 900,
              // A model of random words thinks for ever.
              logitBias: { [model.tokenize('<', { bos: false }).at(-1)!]: 8 },
              onDelta: (delta) => deltas.push(delta),
            })
            .result()
          return { file, result, deltas }
        }),
      )
      let called = 0
      for (const { file, result, deltas } of answers) {
        const { toolCalls = [], finishReason, text, reasoning = '' } = result
        const { calls, ...others } = joined(deltas)
        assert.equal(calls, toolCalls, file)
        assert.equal(others, { text, reasoning }, file)
        if (finishReason === 'length') continue
        assert.is(finishReason, 'tool_calls', file)
        assert.is(toolCalls.length, 1, file)
        for (const { id, name, arguments: args } of toolCalls) {
          assert.match(id, /^[a-zA-Z0-9]{9}$/)
          const validate = valid.get(name)!
          assert.ok(validate(JSON.parse(args)), `${file} ${args}`)
          called++
        }
      }
      assert.ok(called > answers.length / 2, `${called} of ${answers.length}`)
    })
  },
)

test('parallel calls, one tool by name, none at all', () =>
  withModel(async (model) => {
    const ask = (options: object) =>
      model
        .chat(MESSAGES, { template: HERMES, tools: TOOLS, temperature: 1.5, seed: 5, maxTokens: 600, ...options })
        .result()
    const several = await ask({ toolChoice: 'required' })
    assert.ok(several.toolCalls!.length > 1)
    for (const seed of [5, 6, 7]) {
      const { toolCalls } = await ask({ toolChoice: { name: 'set_alarm' }, seed })
      assert.equal(
        toolCalls!.map(({ name }) => name),
        ['set_alarm'],
        'a tool that is named is called once',
      )
    }
    const again = await ask({ toolChoice: { name: 'set_alarm' }, parallelToolCalls: true })
    assert.ok(again.toolCalls!.length > 1)
    const single = await ask({ toolChoice: 'required', parallelToolCalls: false })
    assert.is(single.finishReason, 'tool_calls')
    assert.is(single.toolCalls!.length, 1)
    const parameters = { type: 'object', properties: {} }
    const empty = { tools: [{ type: 'function', function: { name: 'ping', parameters } }], toolChoice: 'required' }
    const { toolCalls: pings } = await ask({ ...empty, parallelToolCalls: false })
    assert.equal(JSON.parse(pings![0]!.arguments), {}, 'what is not named is not given')
    const none = await ask({ toolChoice: 'none', maxTokens: 20 })
    assert.is(none.toolCalls, undefined)
    assert.is(none.text.length > 0, true)
  }))

test('a stop text within a call ends no call: the reason is stop, and what there is of it is kept', () =>
  withModel(async (model) => {
    const options = {
      template: HERMES,
      tools: TOOLS,
      toolChoice: { name: 'get_weather' },
      temperature: 1.5,
      maxTokens: 600,
    }
    const cut = await model.chat(MESSAGES, { ...options, seed: 5, stop: ['"city"'] }).result()
    assert.is(cut.finishReason, 'stop')
    assert.is(cut.stop, '"city"')
    assert.is(cut.toolCalls!.length, 1)
    assert.match(cut.toolCalls![0]!.arguments, /^\{\s*$/)
    // The mark behind a call is no part of it.
    const whole = await model.chat(MESSAGES, { ...options, seed: 5, stop: ['</tool_call>'] }).result()
    assert.equal([whole.finishReason, whole.toolCalls!.length], ['tool_calls', 1])
    JSON.parse(whole.toolCalls![0]!.arguments)
  }))

test('with auto a call that has begun has to be one, and text stays free', () =>
  withModel(async (model) => {
    const ask = (begun: string) =>
      model
        .chat([...MESSAGES, { role: 'assistant', content: begun }], {
          template: HERMES,
          tools: TOOLS,
          continueFinalMessage: true,
          temperature: 1.5,
          seed: 2,
          maxTokens: 400,
        })
        .result()
    const { text } = await ask('Once upon a time')
    assert.ok(text.length > 0)
  }))

test('reasoning is apart, or stays where it is', () =>
  withModel(async (model) => {
    const begun = { role: 'assistant', content: '', reasoning_content: 'One day' }
    const ask = (options: object) =>
      model.chat([...MESSAGES, begun], { template: THINKING, temperature: 0, maxTokens: 20, ...options }).result()
    const apart = await ask({})
    assert.is(apart.text, '')
    assert.ok(apart.reasoning!.length > 0)
    const together = await ask({ reasoningFormat: 'none' })
    assert.is(together.reasoning, undefined)
    assert.ok(together.text.startsWith('<think>'), together.text)
    assert.ok(together.text.includes(apart.reasoning!), together.text)
    // A schema is one of the content, which comes after the reasoning.
    const thought = await ask({ schema: { enum: [1, 2] }, maxTokens: 400, temperature: 1.5, seed: 1 })
    if (thought.finishReason === 'length') assert.is(thought.json, undefined)
    const direct = await model
      .chat(MESSAGES, {
        template: THINKING,
        reasoning: false,
        schema: { enum: [1, 2] },
        seed: 3,
        maxTokens: 300,
        stop: ['<'],
      })
      .result()
    assert.ok(direct.json === 1 || direct.json === 2 || direct.stop === '<', direct.text)
  }))

test('reasoning that a template begins whatever it is told is closed', () =>
  withModel(async (model) => {
    const template = THINKING.replace('[assistant]{% if', '[assistant]<think>\n{% if').replace(
      /\{% if enable_thinking[\s\S]*$/,
      '{% endif %}',
    )
    const prompt = (reasoning: boolean) => model.applyTemplate(MESSAGES, { template, reasoning })
    assert.ok(prompt(true).endsWith('[assistant]<think>\n'), prompt(true))
    assert.ok(prompt(false).endsWith('[assistant]<think>\n\n</think>\n\n'), prompt(false))
    const { reasoning } = await model.chat(MESSAGES, { template, reasoning: true, maxTokens: 5 }).result()
    assert.ok(reasoning)
    const without = await model.chat(MESSAGES, { template, reasoning: false, maxTokens: 5 }).result()
    assert.is(without.reasoning, undefined)
  }))

test('tools run until there is an answer', () =>
  withModel(async (model) => {
    const called: unknown[] = []
    const tools = TOOLS.map((tool) => ({
      ...tool,
      execute: async (args: Record<string, unknown>, { id }: { id: string }) => {
        called.push([tool.function.name, args, id])
        return { ok: true }
      },
    }))
    const options = {
      template: HERMES,
      temperature: 0,
      maxTokens: 200,
      parallelToolCalls: false,
      toolChoice: 'required' as const,
    }
    const run = model.runTools(MESSAGES, tools, { ...options, stop: ['.'] })
    let text = ''
    for await (const piece of run) text += piece
    const result = await run.result()
    assert.is(called.length, 1)
    assert.ok(text.endsWith(result.text))
    assert.equal(
      result.messages.map(({ role }) => role),
      ['user', 'assistant', 'tool', 'assistant'],
    )
    assert.is(result.messages[2]!.content, '{"ok":true}')
    assert.is(result.messages[2]!.tool_call_id, (result.messages[1]!.tool_calls as { id: string }[])[0]!.id)
    await fails(model.runTools(MESSAGES, tools, { ...options, maxRounds: 1 }).result(), ToolError, 'TOO_MANY_ROUNDS')
    const failing = tools.map((tool) => ({ ...tool, execute: () => Promise.reject(new RangeError('no weather')) }))
    let error: unknown
    await model
      .runTools(MESSAGES, failing, options)
      .result()
      .catch((reason: unknown) => {
        error = reason
      })
    assert.ok(error instanceof RangeError)
  }))

test('a run that is left while a tool runs ends the tool, and then itself', () =>
  withModel(async (model) => {
    let begin!: () => void
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    const tools = TOOLS.map((tool) => ({
      ...tool,
      execute: (_: object, { signal }: { signal: AbortSignal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve('late'))
          begin()
        }),
    }))
    const options = { template: HERMES, temperature: 0, maxTokens: 200, toolChoice: 'required' as const }
    const run = model.runTools(MESSAGES, tools, { ...options, parallelToolCalls: false })
    for await (const _ of run.deltas()) {
      await begun
      break
    }
    await fails(run.result(), AbortError)
  }))

test('tools and choices that are wrong are told, and the model goes on', () =>
  withModel(async (model) => {
    const ask = (options: object) => model.chat(MESSAGES, { template: HERMES, maxTokens: 2, ...options }).result()
    const tool = (more: object) => ({ tools: [{ type: 'function', function: { name: 'a', ...more } }] })
    for (const tools of [
      [{ type: 'function', function: {} }],
      [{ type: 'function', function: { name: 'a b' } }],
      [TOOLS[0], TOOLS[0]],
      [7],
    ]) {
      await fails(ask({ tools }), ArgumentError, 'INVALID_TOOLS')
    }
    await fails(ask(tool({ parameters: { type: 'array' } })), ArgumentError, 'INVALID_TOOLS')
    await fails(ask(tool({ parameters: { properties: { x: { type: 'string', pattern: '(' } } } })), GrammarError)
    await fails(ask({ toolChoice: 'required' }), ArgumentError, 'INVALID_OPTION')
    await fails(ask({ tools: TOOLS, toolChoice: { name: 'nobody' } }), ArgumentError, 'INVALID_OPTION')
    await fails(ask({ tools: TOOLS, toolChoice: 'always' }), ArgumentError, 'INVALID_OPTION')
    await fails(ask({ reasoningFormat: 'loud' }), ArgumentError, 'INVALID_OPTION')
    assert.is((await ask({})).completionTokens, 2)
  }))

test.run()
