/** Chat formats by name, for models whose file has no template. Each as its model's card describes it, in Jinja. */

/** ChatML, OpenAI's: a turn between <|im_start|> and <|im_end|>. */
const chatml = `{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}
{%- endif %}`

/** Llama 2 Chat: https://github.com/meta-llama/llama, example_chat_completion's format. */
const llama2 = `{% set system = '' %}
{% set turns = messages %}
{% if messages and messages[0]['role'] == 'system' %}
{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}
{% set turns = messages[1:] %}
{% endif %}
{% for message in turns %}
{% if message['role'] != ['user', 'assistant'][loop.index0 % 2] %}
{{ raise_exception('Llama 2 takes an optional system message, then user and assistant in turn.') }}
{% elif message['role'] == 'assistant' %}
{{ ' ' + message['content'] | trim + ' ' + eos_token }}
{%- else %}
{{ bos_token + '[INST] ' + ((system if loop.first else '') + message['content']) | trim + ' [/INST]' }}
{%- endif %}
{% endfor %}`

/** Llama 3 Instruct: https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3 */
const llama3 = `{{ bos_token }}
{%- for message in messages %}
{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{% if add_generation_prompt %}
{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}`

/** Mistral Instruct: [INST] turns; a system message goes before the first user message. */
const mistral = `{{ bos_token }}
{%- set system = '' %}
{% set turns = messages %}
{% if messages and messages[0]['role'] == 'system' %}
{% set system = messages[0]['content'] + '\\n\\n' %}
{% set turns = messages[1:] %}
{% endif %}
{% for message in turns %}
{% if message['role'] != ['user', 'assistant'][loop.index0 % 2] %}
{{ raise_exception('Mistral takes an optional system message, then user and assistant in turn.') }}
{% elif message['role'] == 'assistant' %}
{{ ' ' + message['content'] | trim + eos_token }}
{%- else %}
{{ '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}
{%- endif %}
{% endfor %}`

/** Mistral's from version 7 on, with its tekken vocabulary: a mark before and after each message but the assistant's. */
const mistralV7Tekken = `{{ bos_token }}
{%- for message in messages %}
{% if message['role'] == 'assistant' %}
{{ message['content'] + eos_token }}
{%- else %}
{% set mark = 'SYSTEM_PROMPT]' if message['role'] == 'system' else 'INST]' %}
{{ '[' + mark + message['content'] + '[/' + mark }}
{%- endif %}
{% endfor %}`

/** Zephyr and TinyLlama Chat: a role line, then the text, ended by EOS. */
const zephyr = `{% for message in messages %}
{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}
{%- if loop.last and add_generation_prompt %}
{{ '<|assistant|>\\n' }}
{%- endif %}
{% endfor %}`

export const NAMED_TEMPLATES: ReadonlyMap<string, string> = new Map(
  Object.entries({ chatml, llama2, llama3, mistral, 'mistral-v7-tekken': mistralV7Tekken, zephyr }),
)
