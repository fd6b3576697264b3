/** A model behind a template that has tools and reasoning. */
import { load, type Model } from 'cria'
import { createHandler, type Handler } from 'cria/server'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { ask, post } from './helpers.ts'

const TEMPLATE = `{%- for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}{% for t in m.tool_calls or [] %}
<tool_call>
{"name": {{ t.function.name|tojson }}, "arguments": {{ t.function.arguments|tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if tools %}{{ tools|tojson }}{% endif %}{% if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is false %}<think>

</think>

{% endif %}{% endif %}`
const PARAMETERS = {
  type: 'object',
  properties: { city: { enum: ['Brest', 'Paris'] }, days: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['city'],
  additionalProperties: false,
}
export const TOOLS = [
  { type: 'function', function: { name: 'get_weather', description: 'Weather', parameters: PARAMETERS } },
  { type: 'function', function: { name: 'now' } },
]
export const QUESTION = { role: 'user', content: 'What is the weather?' }

export async function toolModel(): Promise<{ model: Model; handler: Handler }> {
  const model = await load(STORIES, {
    threads: 2,
    context: 2048,
    overrides: { 'llama.context_length': 2048 },
    onWarning: () => {},
  })
  return { model, handler: createHandler({ stories: model }, { template: TEMPLATE }) }
}

// biome-ignore lint/suspicious/noExplicitAny: any JSON
export type Json = Record<string, any>

/** The answers of an address to some fields beside those that it is always asked with. */
export function answersOf(handler: Handler, address: string, asked: object): (fields: object) => Promise<Json> {
  return async (fields) => {
    const { status, body } = await ask(handler, post(address, { ...asked, ...fields }))
    assert.is(status, 200, JSON.stringify(body))
    return body
  }
}

/** What is found with the first seed by which the model calls, not thinks. */
export async function firstSeed<T extends object>(
  find: (seed: number) => Promise<T | undefined>,
): Promise<T & { seed: number }> {
  for (let seed = 1; seed < 40; seed++) {
    const found = await find(seed)
    if (found) return { ...found, seed }
  }
  throw new Error('the model calls nothing')
}
