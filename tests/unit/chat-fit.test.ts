/** Messages fitted to templates: the shared vectors of llama.cpp, roles, parts, calls, continued answers, what is left out. */
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { reportOf, variablesOf } from '../../js/chat/llama-server.ts'
import { type RenderOptions, renderChat } from '../../js/chat/template.ts'
import { ArgumentError, TemplateError } from '../../js/errors.ts'
import { shared, sharedTest } from '../shared.ts'

interface Config {
  id: string
  messages: unknown[]
  tools?: string[]
  enable_thinking?: boolean
  kwargs?: Record<string, unknown>
  add_generation_prompt?: boolean
  continue_final_message?: boolean
  error?: string
  result?: { prompt: string }
  dispute?: boolean
  transformers?: 'same' | { prompt?: string; error?: string }
}

interface Vector {
  name: string
  template: string
  bos_token: string
  eos_token: string
  now: string
  extra: Record<string, unknown>
  caps: Record<string, boolean>
  tools: Record<string, unknown>
  configs: Config[]
}

function vectors(): Vector[] {
  const folder = shared('vectors', 'tools')
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return files.map((name) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')))
}

/** Of disputed prompts either one will do. */
const EXCEPTIONS: Record<string, string> = {
  'LFM2.5-8B-A1B parts': 'the template joins parts itself, which llama.cpp does not see',
  'LFM2.5-8B-A1B supports_typed_content': 'the same',
}

function outcome(vector: Vector, config: Config): string | undefined {
  const { add_generation_prompt: opened, continue_final_message: continued } = config
  try {
    return renderChat({
      template: vector.template,
      messages: config.messages,
      tools: config.tools?.map((name) => vector.tools[name]),
      bosToken: vector.bos_token,
      eosToken: vector.eos_token,
      now: new Date(vector.now),
      variables: { ...vector.extra, enable_thinking: config.enable_thinking ?? true, ...config.kwargs },
      ...(continued ? { continueFinalMessage: continued } : { addGenerationPrompt: opened ?? true }),
    })
  } catch (error) {
    if (error instanceof TemplateError) return undefined
    throw error
  }
}

sharedTest('every prompt of the vectors is llama.cpp’s, or transformers’ where it is disputed', () => {
  const wrong: string[] = []
  const all = vectors()
  assert.ok(all.length > 0)
  for (const vector of all) {
    assert.ok(vector.configs.length > 0, vector.name)
    for (const config of vector.configs) {
      const text = outcome(vector, config)
      if (text === config.result?.prompt) continue
      const { dispute, transformers, id } = config
      if (dispute && typeof transformers === 'object' && text === transformers.prompt) continue
      if (!EXCEPTIONS[`${vector.name} ${id}`]) wrong.push(`${vector.name} ${id}`)
    }
  }
  assert.equal(wrong, [])
})

sharedTest('what templates of the vectors can do is what llama.cpp finds', () => {
  const wrong: string[] = []
  for (const { name, template, caps } of vectors()) {
    const report = reportOf(template)
    assert.equal(Object.keys(report).sort(), Object.keys(caps).sort())
    for (const [cap, value] of Object.entries(report)) {
      if (value !== caps[cap] && !EXCEPTIONS[`${name} ${cap}`]) wrong.push(`${name} ${cap} ${value}`)
    }
  }
  assert.equal(wrong, [])
})

const CHATML =
  "{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
const render = (template: string, messages: unknown[], options: Partial<RenderOptions> = {}) =>
  renderChat({ template, messages, ...options })
const user = (content: unknown) => ({ role: 'user', content })
const assistant = (content: unknown, more: object = {}) => ({ role: 'assistant', content, ...more })
const call = (args: unknown, name = 'f') => ({ id: 'c1', type: 'function', function: { name, arguments: args } })
const refused = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof ArgumentError && error.code === code && message.test(error.message)

test('content comes as a text or as parts, whichever the template takes', () => {
  const parts = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ]
  const onlyParts =
    "{% for m in messages %}<{{ m.role }}{% for p in m.content %}|{{ p['text'] }}{% endfor %}>{% endfor %}"
  const both =
    '{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}({{ p.text }}){% endfor %}{% endif %}{% endfor %}'
  assert.is(render(CHATML, [user(parts)]), '<user>a\nb<assistant>')
  assert.is(render(onlyParts, [user(parts), assistant('c'), user('')]), '<user|a|b><assistant|c><user|>')
  assert.is(render(both, [user(parts), assistant('c'), user('d')]), '(a)(b)cd')
  assert.is(render(CHATML, [user([])]), '<user><assistant>')
  assert.is(render(CHATML, [user(null)]), '<user><assistant>')
})

test('a system message goes before the next one where there is no such role', () => {
  const none = `{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}${CHATML}`
  const silent = CHATML.replace('{{', "{% if m.role != 'system' %}{{").replace('}}', '}}{% endif %}')
  for (const template of [none, silent]) {
    assert.is(render(template, [{ role: 'system', content: 'S' }, user('U')]), '<user>S\nU<assistant>')
    assert.is(render(template, [{ role: 'developer', content: 'S' }, user('U')]), '<user>S\nU<assistant>')
    assert.is(render(template, [{ role: 'system', content: 'S' }]), '<user>S<assistant>')
  }
  assert.is(render(CHATML, [{ role: 'system', content: 'S' }, user('U')]), '<system>S<user>U<assistant>')
  assert.is(render(CHATML, [{ role: 'developer', content: 'S' }, user('U')]), '<system>S<user>U<assistant>')
  const gptOss = `${CHATML}{# <|channel|> #}`
  assert.is(render(gptOss, [{ role: 'developer', content: 'S' }, user('U')]), '<developer>S<user>U<assistant>')
})

test('arguments of calls come as an object or as a text', () => {
  const asObject =
    '{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}'
  const asText = asObject.replace('arguments | tojson', 'arguments')
  const talk = (args: unknown) => [user('U'), assistant(null, { tool_calls: [call(args)] }), user('V')]
  const options = { addGenerationPrompt: false }
  assert.is(render(asObject, talk('{"a":[1,"x"],"b":null}'), options), 'Uf{"a": [1, "x"], "b": null}V')
  assert.is(render(asObject, talk({ a: 1 }), options), 'Uf{"a": 1}V')
  assert.is(render(asText, talk({ a: [1, 'x'] }), options), 'Uf{"a":[1,"x"]}V')
  assert.is(render(asText, talk('{"a": 1}'), options), 'Uf{"a": 1}V')
  assert.is(
    render(asObject, talk('{"id": 1234567890123456789, "n": 1.5e3, "s": "12345678901234567890 \\" 1"}'), options),
    'Uf{"id": 1234567890123456789, "n": 1500, "s": "12345678901234567890 \\" 1"}V',
  )
  const wrong = refused('INVALID_MESSAGES', /^messages\[1\]\.tool_calls\[0\]\.function\.arguments must be JSON/)
  assert.throws(() => render(asObject, talk('{"a":')), wrong)
  assert.throws(() => render(asObject, talk('')), wrong)
  // Calls of other shapes are the template's own.
  const own = '{% for m in messages %}{{ m.tool_calls | default([]) | tojson }}{% endfor %}'
  assert.is(render(own, [assistant('', { tool_calls: [{ name: 'f' }] })], options), '[{"name": "f"}]')
})

test('messages, calls and tools have llama.cpp’s fields in its order', () => {
  const message = '{{ messages[0] | tojson }}'
  const sent = {
    tool_calls: [{ index: 0, ...call('{}') }],
    name: '',
    mood: 1,
    content: 'x',
    reasoning_content: null,
    role: 'tool',
  }
  assert.is(
    render(message, [sent]),
    '{"role": "tool", "content": "x", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{}"}, "id": "c1"}], "mood": 1}',
  )
  const tools = '{{ tools | tojson }}'
  const described = { type: 'function', function: { strict: true, parameters: { type: 'object' }, name: 'f' } }
  assert.is(
    render(tools, [user('U')], { tools: [described, { type: 'function', function: { name: 'g' } }] }),
    '[{"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}, ' +
      '{"type": "function", "function": {"name": "g", "description": "", "parameters": {}}}]',
  )
  assert.is(render(tools, [user('U')], { tools: [{ type: 'code_interpreter' }] }), '[{"type": "code_interpreter"}]')
})

test('a last message of the assistant goes on, unless it is said otherwise', () => {
  const messages = [user('U'), assistant('Well, ')]
  assert.is(render(CHATML, messages), '<user>U<assistant>Well, ')
  assert.is(render(CHATML, messages, { continueFinalMessage: true }), '<user>U<assistant>Well, ')
  assert.is(
    render(CHATML, messages, { continueFinalMessage: true, addGenerationPrompt: false }),
    '<user>U<assistant>Well, ',
  )
  assert.is(render(CHATML, messages, { continueFinalMessage: false }), '<user>U<assistant>Well, <assistant>')
  assert.is(render(CHATML, messages, { addGenerationPrompt: true }), '<user>U<assistant>Well, <assistant>')
  assert.is(render(CHATML, messages, { addGenerationPrompt: false }), '<user>U<assistant>Well, ')
  const parts = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ]
  assert.is(render(CHATML, [user('U'), assistant(parts)]), '<user>U<assistant>a\n\nb')
  assert.is(render(CHATML, [user('U'), assistant('')]), '<user>U<assistant>', 'with nothing to go on with, it begins')
  const calls = [user('U'), assistant('x', { tool_calls: [call('{}')] })]
  assert.is(render(CHATML, calls), '<user>U<assistant>x<assistant>')
  const twice = [user('U'), assistant('a'), assistant('b')]
  assert.throws(() => render(CHATML, twice), refused('INVALID_MESSAGES', /last two messages/))
  assert.is(render(CHATML, twice, { continueFinalMessage: true }), '<user>U<assistant>a<assistant>b')
  for (const [talk, options] of [
    [messages, { continueFinalMessage: true, addGenerationPrompt: true }],
    [calls, { continueFinalMessage: true }],
    [[user('U')], { continueFinalMessage: 'content' }],
    [[], { continueFinalMessage: true }],
  ] as [unknown[], Partial<RenderOptions>][]) {
    assert.throws(() => render(CHATML, talk, options), refused('INVALID_OPTION', /^continueFinalMessage needs/))
  }
})

test('reasoning goes on too', () => {
  const thinking =
    '{% for m in messages %}<{{ m.role }}>{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}'
  const last = (content: string, reasoning: string) => [user('U'), assistant(content, { reasoning_content: reasoning })]
  assert.is(render(thinking, last('', 'Hm, ')), '<user>U<assistant><think>\nHm, ')
  assert.is(render(thinking, last('So', 'Hm.')), '<user>U<assistant><think>\nHm.\n</think>\n\nSo')
  assert.is(render(thinking, last('So', '')), '<user>U<assistant><think>\n\n</think>\n\nSo')
  const options = { continueFinalMessage: 'reasoning_content' } as const
  assert.is(render(thinking, last('So', 'Hm'), options), '<user>U<assistant><think>\nHm')
})

test('what a template leaves out is told', () => {
  const dropped = (template: string, messages: unknown[], options: Partial<RenderOptions> = {}) => {
    const told: string[][] = []
    render(template, messages, { ...options, onDropped: (names) => void told.push(names) })
    return told
  }
  const turns = CHATML.replace('{{', "{% if m.role in ['user', 'assistant'] %}{{").replace('}}', '}}{% endif %}')
  const long = 'A result that is nowhere else.'
  assert.equal(dropped(turns, [user('U'), assistant('A'), { role: 'tool', content: long }]), [
    ['messages[2].content (tool)'],
  ])
  // A short text that stands in the prompt by chance.
  assert.equal(dropped(turns, [user('U'), { role: 'tool', content: 'U' }]), [['messages[1].content (tool)']])
  assert.equal(dropped(CHATML, [user('U'), { role: 'tool', content: 'U' }]), [])
  assert.equal(dropped(turns, [user('U'), { role: 'system', content: long }, user('V')]), [
    ['messages[1].content (system)'],
  ])
  assert.equal(dropped(turns, [{ role: 'system', content: 'S' }, user('U')]), [], 'it is joined to the user’s')
  assert.equal(dropped(turns, [user('U'), { role: 'tool', content: '' }]), [])
  const calls = [user('U'), assistant('A', { tool_calls: [call('{}')] }), user('V')]
  assert.equal(dropped(turns, calls), [['messages[1].tool_calls']])
  const tools = [{ type: 'function', function: { name: 'f' } }]
  assert.equal(dropped(turns, [user('U')], { tools }), [['tools']])
  // What is written in another form is there.
  assert.equal(
    dropped('{% for m in messages %}{{ m.content | upper | tojson }}{% endfor %}', [user('a "quoted" text')]),
    [],
  )
  assert.equal(dropped('{% for m in messages %}{{ m.content | trim }}{% endfor %}', [user('  a text ')]), [])
})

test('llama-server’s variables', () => {
  const now = new Date(2025, 2, 4, 12)
  const thinks = '{% if enable_thinking %}<think>{% endif %}'
  const all = variablesOf(CHATML, {}, now)
  assert.is(all.date_string, '04 Mar 2025')
  assert.is(all.datetime, 'Mar 04 2025')
  assert.is(all.enable_thinking, false)
  assert.is(variablesOf(CHATML + thinks, {}, now).enable_thinking, true)
  assert.is(all.preserve_thinking, true)
  const given = variablesOf(CHATML, { preserve_reasoning: false, reasoning_effort: 'low', date_string: 'x' }, now)
  assert.is(given.clear_thinking, true)
  assert.is(given.reasoning_strength, 'low')
  assert.is(given.date_string, 'x')
})

test.run()
