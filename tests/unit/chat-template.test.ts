/** js/chat against transformers' goldens, and the choice of a template. */
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BUILTIN_TEMPLATES } from '../../js/chat/builtin-templates.ts'
import { strftime } from '../../js/chat/strftime.ts'
import { beginsWithBos, chooseTemplate, type RenderOptions, renderChat } from '../../js/chat/template.ts'
import { ArgumentError, TemplateError } from '../../js/errors.ts'
import { shared, sharedTest } from '../shared.ts'

interface Golden {
  template: string
  bos_token: string
  eos_token: string
  extra: Record<string, unknown>
  cases: {
    messages: unknown[]
    tools: unknown[] | null
    add_generation_prompt: boolean
    text?: string
    error?: string
  }[]
}

function goldens(): Map<string, Golden> {
  const folder = shared('goldens', 'chat')
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return new Map(files.map((name) => [name, JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'))]))
}

function check(name: string, golden: Golden, template: string): void {
  for (const { messages, tools, add_generation_prompt: addGenerationPrompt, text, error } of golden.cases) {
    const options: RenderOptions = { template, messages, addGenerationPrompt, variables: golden.extra }
    options.bosToken = golden.bos_token
    options.eosToken = golden.eos_token
    if (tools) options.tools = tools
    const what = `${name}: ${JSON.stringify(messages)}`
    if (error === undefined) assert.is(renderChat(options), text, what)
    else
      assert.throws(
        () => renderChat(options),
        (e: unknown) => e instanceof TemplateError,
        what,
      )
  }
}

sharedTest('every golden template renders what transformers renders', () => {
  const all = goldens()
  assert.ok(all.size > 0)
  for (const [name, golden] of all) check(name, golden, golden.template)
})

sharedTest('the built-in llama2 and zephyr write what the goldens of their models say', () => {
  for (const [name, golden] of goldens()) {
    if (golden.template.includes('<<SYS>>')) check(name, golden, BUILTIN_TEMPLATES.get('llama2')!)
    if (golden.template.includes('<|user|>')) check(name, golden, BUILTIN_TEMPLATES.get('zephyr')!)
  }
})

const TALK = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Yes?' },
  { role: 'user', content: 'Bye' },
]
const render = (template: string, messages: readonly unknown[] = TALK, more: Partial<RenderOptions> = {}) =>
  renderChat({ template, messages, bosToken: '<s>', eosToken: '</s>', ...more })
const named = (name: string, messages?: readonly unknown[], more?: Partial<RenderOptions>) =>
  render(BUILTIN_TEMPLATES.get(name)!, messages, more)

test('the built-in formats', () => {
  assert.is(
    named('chatml'),
    '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n' +
      '<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n',
  )
  assert.is(named('llama2'), '<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Yes? </s><s>[INST] Bye [/INST]')
  assert.is(
    named('llama3', TALK.slice(0, 2)),
    '<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n' +
      'Hi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
  )
  assert.is(named('mistral'), '<s>[INST] Be brief.\n\nHi [/INST] Yes?</s>[INST] Bye [/INST]')
  assert.is(
    named('mistral-v7-tekken'),
    '<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hi[/INST]Yes?</s>[INST]Bye[/INST]',
  )
  assert.is(named('zephyr', TALK.slice(0, 2)), '<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\n')
  for (const name of BUILTIN_TEMPLATES.keys()) {
    const open = named(name)
    const closed = named(name, TALK, { addGenerationPrompt: false })
    assert.ok(open.startsWith(closed), name)
    assert.is(open === closed, /^(llama2|mistral|minicpm|hunyuan)/.test(name), name)
  }
  for (const name of ['llama2', 'mistral']) {
    for (const messages of [TALK.slice(2), [...TALK, TALK[3]!], [TALK[1]!, TALK[0]!]]) {
      const refused = (e: unknown) => e instanceof TemplateError && e.code === 'TEMPLATE_RAISED'
      assert.throws(() => named(name, messages), refused)
    }
  }
})

test('blocks leave no line of their own, tools are none unless given, variables reach the template', () => {
  assert.is(render('a\n  {% if true %}\nb\n  {% endif %}\nc\n'), 'a\nb\nc')
  assert.is(render('a\r\n{% if true %}\r\nb{% endif %}'), 'a\nb')
  assert.is(render('{{ tools is none }} {{ documents is none }} {{ date_string is defined }}'), 'True True False')
  assert.is(render('{{ tools | tojson }}', TALK, { tools: [{ name: 'é"<' }] }), '[{"name": "é\\"<"}]')
  assert.is(render('{{ tools | length }}', TALK, { tools: [] }), '0')
  const variables = { date_string: '26 Jul 2024', bos_token: '<b>', messages: 'never' }
  assert.is(render('{{ bos_token }}{{ date_string }}{{ messages | length }}', TALK, { variables }), '<b>26 Jul 20244')
  assert.is(render('{{ bos_token }}|{{ eos_token }}', TALK, { bosToken: undefined } as object), '|</s>')
  assert.is(
    render('{% for i in range(1, 7, 2) %}{{ i }}{% endfor %}{% for i in range(2) %}{{ i }}{% endfor %}'),
    '13501',
  )
})

test('strftime_now takes the time given, in English', () => {
  const now = new Date(2024, 6, 6, 9, 5, 3)
  const date = (format: string) => render(`{{ strftime_now("${format}") }}`, TALK, { now })
  assert.is(date('%d %b %Y'), '06 Jul 2024')
  assert.is(date('%A, %B %-d, %Y'), 'Saturday, July 6, 2024')
  assert.is(date('%Y-%m-%d %H:%M:%S %I %p %j %y %a %e %%'), '2024-07-06 09:05:03 09 AM 188 24 Sat  6 %')
  assert.is(strftime(new Date(2023, 11, 31, 12), '%I%p %j %u %w %Q'), '12PM 365 7 0 %Q')
  assert.is(strftime(new Date(2023, 0, 1, 0), '%I%p %-H %F %T'), '12AM 0 2023-01-01 00:00:00')
  assert.is(render('{{ strftime_now("%Y") }}').length, 4)
})

test('text parts are joined; content may be null, and absent beside tool calls', () => {
  const parts = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ]
  assert.is(render('{{ messages[0].content }}', [{ role: 'user', content: parts }]), 'a\nb')
  for (const call of [{ content: null, tool_calls: [{ id: '1' }] }, { tool_calls: [{ id: '1' }] }]) {
    const template = '{{ messages[0].content == "" }}{{ messages[0].tool_calls[0].id }}'
    assert.is(render(template, [{ role: 'assistant', ...call }]), 'True1')
  }
  assert.is(render('<{{ messages[0].content }}>', [{ role: 'user', content: null }]), '<>')
  const messages = [{ role: 'user', content: 'Hi', name: 'Ann' }]
  assert.is(render('{{ messages[0].name }}', messages), 'Ann')
  assert.equal(messages, [{ role: 'user', content: 'Hi', name: 'Ann' }])
})

test('malformed messages are refused by name, with the value', () => {
  const image = { type: 'image_url', image_url: {} }
  const wrong: [unknown, string, unknown][] = [
    ['Hi', 'messages ', 'Hi'],
    [[3], 'messages[0] ', 3],
    [[null], 'messages[0] ', null],
    [[TALK[0], { content: 'x' }], 'messages[1].role ', undefined],
    [[TALK[0], { role: 'user' }], 'messages[1].content ', undefined],
    [[{ role: 'user', content: 3 }], 'messages[0].content ', 3],
    [[{ role: 'assistant', tool_calls: [] }], 'messages[0].content ', undefined],
    [[{ role: 'user', content: [{ type: 'text', text: 'x' }, image] }], 'messages[0].content[1] ', image],
    [[{ role: 'user', content: [null] }], 'messages[0].content[0] ', null],
  ]
  for (const [messages, start, value] of wrong) {
    const expected = (e: unknown) => e instanceof ArgumentError && e.message.startsWith(start) && e.value === value
    assert.throws(() => named('chatml', messages as unknown[]), expected, start)
  }
  assert.throws(
    () => named('chatml', TALK, { tools: 'x' as never }),
    (e: unknown) => e instanceof ArgumentError,
  )
})

test('a template that is broken, fails or refuses gives a TemplateError', () => {
  const code = (template: string) => {
    try {
      render(template)
    } catch (e) {
      assert.instance(e, TemplateError)
      return (e as TemplateError).code
    }
    return 'no error'
  }
  for (const template of ['{% if %}', '{{ messages', '{% for x in messages %}', '{{ "a }}', '{{ "a" | nofilter }}']) {
    assert.is(code(template), 'TEMPLATE_SYNTAX', template)
  }
  for (const template of [
    '{{ nothing() }}',
    '{{ 1 + none }}',
    '{% for x in 3 %}{% endfor %}',
    '{% if true %}{{ "a" | nofilter }}{% endif %}',
  ]) {
    assert.is(code(template), 'TEMPLATE_FAILED', template)
  }
  assert.is(code('{% for i in range(1000000000) %}{% endfor %}'), 'TEMPLATE_FAILED')
  assert.is(code('{% for i in range(0, 5, 0) %}{% endfor %}'), 'TEMPLATE_FAILED')
  const nested = '{% for i in range(9999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'
  assert.is(code(nested), 'TEMPLATE_FAILED', 'loops that would never end')
  assert.is(code('{{ raise_exception("No system message, please") }}'), 'TEMPLATE_RAISED')
  assert.throws(() => render('{{ raise_exception("No system message, please") }}'), /No system message, please/)
  assert.throws(
    () => render('a\n{{ messages }}\n{{ nothing.at_all }}'),
    /failed in line 3: 'nothing' is undefined\. Give/,
  )
  assert.throws(() => render('a\r\n\r\n{% if %}'), /no valid Jinja in line 3: expected an expression/)
})

test('many templates may be in use at once', () => {
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 40; i++) assert.is(render(`${i} {{ messages[0].content }}`), `${i} Be brief.`)
  }
})

test('the requested template comes first, then the file, then a fallback that warns', () => {
  const ggufTemplate = '{{ messages }}'
  const text = (name: string) => BUILTIN_TEMPLATES.get(name)
  assert.equal(chooseTemplate({ ggufTemplate }), { template: ggufTemplate, source: 'gguf' })
  assert.equal(chooseTemplate({ ggufTemplate, requested: 'llama2' }), { template: text('llama2'), source: 'named' })
  const given = '{% for m in messages %}{% endfor %}'
  assert.equal(chooseTemplate({ ggufTemplate, requested: given }), { template: given, source: 'given' })
  for (const requested of ['lama2', '', 7 as never]) {
    const expected = (e: unknown) =>
      e instanceof ArgumentError && e.value === requested && /chatml, .*llama2/.test(e.message)
    assert.throws(() => chooseTemplate({ ggufTemplate, requested }), expected)
  }
  const name = 'mistral-v7-tekken'
  assert.equal(chooseTemplate({ ggufTemplate: name }), { template: text(name), source: 'named' })
  assert.is(chooseTemplate({ ggufTemplate: 'mistral-v0' }).source, 'fallback')
  for (const [tokens, name] of [
    [undefined, 'chatml'],
    [['a'], 'chatml'],
    [['<s>'], 'chatml'],
    [['<|im_start|>'], 'chatml'],
    [['[INST]'], 'mistral'],
    [['[INST]', '[SYSTEM_PROMPT]'], 'mistral-v7-tekken'],
    [['<|start_header_id|>'], 'llama3'],
  ] as const) {
    for (const nothing of [undefined, '']) {
      const choice = chooseTemplate({ tokens: tokens && new Set(tokens), ggufTemplate: nothing })
      assert.is(choice.template, text(name))
      assert.is(choice.source, 'fallback')
      assert.is(choice.warning?.code, 'NO_CHAT_TEMPLATE')
      assert.ok(choice.warning!.message.includes(name))
    }
  }
})

test('a text that begins with BOS is told from others', () => {
  assert.ok(beginsWithBos('<s>[INST]', '<s>'))
  assert.not(beginsWithBos(' <s>', '<s>'))
  assert.not(beginsWithBos('text', ''))
  assert.not(beginsWithBos('text', undefined))
})

test.run()
