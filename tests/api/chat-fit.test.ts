/** `applyTemplate` on the shared cases, and its options. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ArgumentError, type CriaWarning, load, TemplateError } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { fails, STORIES } from '../api-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

const warnings: CriaWarning[] = []
const model = await load(STORIES, { threads: 1, onWarning: (warning) => warnings.push(warning) })
test.after(() => model.close())

const TEMPLATE_CALL = /^model\.applyTemplate\(messages, \{ template, tools \}\)/
const CHATML =
  "{% for m in messages %}{% if m.role != 'tool' %}{{ '<' + m.role + '>' + m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"

sharedTest('every case of a template and its messages', () => {
  let cases = 0
  for (const name of readdirSync(shared('cases'))) {
    const read = (file: string) => readFileSync(join(shared('cases'), name, file), 'utf8')
    const hasTemplate = existsSync(join(shared('cases'), name, 'template.jinja'))
    if (!hasTemplate || !TEMPLATE_CALL.test(read('cmd'))) continue
    const { messages, tools } = JSON.parse(read('messages.json'))
    const [expected] = /^"(?:\\.|[^"\\])*"/.exec(read('expected')) ?? []
    const template = read('template.jinja')
    assert.is(model.applyTemplate(messages, { template, tools }), JSON.parse(expected!), name)
    cases++
  }
  assert.ok(cases > 0)
})

test('a message that is left out is a warning, once, or with strict an error', async () => {
  const messages = [
    { role: 'user', content: 'Rain?' },
    { role: 'tool', content: 'It is dry and warm.' },
  ]
  warnings.length = 0
  for (let i = 0; i < 2; i++) assert.is(model.applyTemplate(messages, { template: CHATML }), '<user>Rain?<assistant>')
  assert.equal(
    warnings.map(({ code }) => code),
    ['MESSAGE_DROPPED'],
  )
  assert.match(warnings[0]!.message, /leaves out messages\[1\]\.content \(tool\)/)
  const error = await fails(
    () => model.applyTemplate(messages, { template: CHATML, strict: true }),
    TemplateError,
    'MESSAGE_DROPPED',
  )
  assert.equal(error.value, ['messages[1].content (tool)'])
  await fails(model.chat(messages, { template: CHATML, strict: true }).result(), TemplateError, 'MESSAGE_DROPPED')
})

test('an answer that goes on, and options that are wrong', async () => {
  const messages = [
    { role: 'user', content: 'A story.' },
    { role: 'assistant', content: 'Once upon a time' },
  ]
  const options = { template: CHATML, temperature: 0, maxTokens: 8 }
  const text = model.applyTemplate(messages, options)
  assert.is(text, '<user>A story.<assistant>Once upon a time')
  const { text: answer } = await model.chat(messages, options).result()
  assert.is(answer, (await model.generate(text, { temperature: 0, maxTokens: 8 }).result()).text)
  assert.is(
    model.applyTemplate(messages, { ...options, addGenerationPrompt: true }),
    '<user>A story.<assistant>Once upon a time<assistant>',
  )
  for (const wrong of [{ addGenerationPrompt: 1 }, { strict: 'yes' }, { continueFinalMessage: 'answer' }]) {
    await fails(
      () => model.applyTemplate(messages, { ...options, ...(wrong as object) }),
      ArgumentError,
      'INVALID_OPTION',
    )
  }
})

test.run()
