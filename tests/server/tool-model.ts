/** A model behind a template that has tools and reasoning. */
import { load, type Model } from 'cria'
import { createHandler, type Handler } from 'cria/server'
import { STORIES } from '../api-helpers.ts'

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
