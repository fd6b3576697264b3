/** js/chat/jinja against the texts that Jinja2 writes, as transformers sets it up. */
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { provideFilters } from '../../js/chat/jinja/filters.ts'
import { RARE_FILTERS } from '../../js/chat/jinja/rare-filters.ts'
import { readTemplate } from '../../js/chat/jinja/template.ts'
import { JinjaError } from '../../js/chat/jinja/values.ts'
import { strftime } from '../../js/chat/strftime.ts'
import { parsePythonJson } from '../python-json.ts'
import { shared, sharedTest } from '../shared.ts'

provideFilters(RARE_FILTERS)

interface Case {
  messages?: unknown[]
  tools?: unknown[]
  variables?: Record<string, unknown>
  add_generation_prompt?: boolean
  text?: string
  error?: string
}

const lines = <T>(path: string): T[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parsePythonJson(line) as T)

function render(
  template: string,
  { messages = [], tools, variables, add_generation_prompt: open = true }: Case,
): string {
  return readTemplate(template).render({
    bos_token: '<s>',
    eos_token: '</s>',
    documents: null,
    raise_exception: (reason: string) => {
      throw new JinjaError(reason)
    },
    strftime_now: (format: string) => strftime(new Date(), format),
    ...variables,
    messages,
    tools: tools ?? null,
    add_generation_prompt: open,
  })
}

/** What is wrong with each case, if anything is. */
function faults(template: string, cases: readonly Case[], name: string): string[] {
  return cases.flatMap((one, i) => {
    let text: string
    try {
      text = render(template, one)
    } catch (error) {
      if (!(error instanceof JinjaError)) throw error
      return one.error !== undefined ? [] : [`${name} ${i}: line ${error.line}: ${error.message}, not ${one.text}`]
    }
    return one.text === text
      ? []
      : [`${name} ${i}: ${JSON.stringify(text)}, not ${JSON.stringify(one.text ?? one.error)}`]
  })
}

sharedTest('every snippet renders, or fails, as in Jinja2', () => {
  const snippets = lines<Case & { template: string }>(shared('vectors', 'jinja', 'snippets.jsonl'))
  assert.ok(snippets.length > 0)
  assert.equal(
    snippets.flatMap((snippet) => faults(snippet.template, [snippet], snippet.template)),
    [],
  )
})

sharedTest('every chat template renders, or fails, as in Jinja2', () => {
  const templates = lines<{ name: string; template: string; cases: Case[] }>(
    shared('vectors', 'jinja', 'templates.jsonl'),
  )
  assert.ok(templates.length > 0)
  assert.equal(
    templates.flatMap(({ name, template, cases }) => faults(template, cases, name)),
    [],
  )
})

const FIXTURES = new URL('../fixtures/jinja/', import.meta.url)
for (const file of readdirSync(FIXTURES)) {
  test(`${file}: as Jinja2`, () => {
    const snippets = lines<Case & { template: string }>(new URL(file, FIXTURES).pathname)
    assert.ok(snippets.length > 0)
    assert.equal(
      snippets.flatMap((snippet) => faults(snippet.template, [snippet], snippet.template)),
      [],
    )
  })
}

test.run()
