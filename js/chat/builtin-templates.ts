/** Chat formats by name, for models whose file has no template. Each as its model's card describes it, in Jinja. */
import { TURN_TEMPLATES } from './formats.ts'

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

/** Zephyr and TinyLlama Chat: a role line, then the text, ended by EOS. */
const zephyr = `{% for message in messages %}
{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}
{%- if loop.last and add_generation_prompt %}
{{ '<|assistant|>\\n' }}
{%- endif %}
{% endfor %}`

/** Mistral Instruct as llama.cpp has its versions: a system message goes into the user's next, two line breaks after it. */
const mistralVersion = (before: string, after: string, trim = '') => `{{ bos_token }}
{%- for message in messages %}
{% if loop.first or messages[loop.index0 - 1]['role'] == 'assistant' %}
{{ '${before}[INST]${after}' }}
{%- endif %}
{% if message['role'] == 'system' %}
{{ message['content'] + '\\n\\n' }}
{%- elif message['role'] == 'user' %}
{{ message['content'] + '${before}[/INST]' }}
{%- else %}
{{ '${after}' + message['content']${trim} + '</s>' }}
{%- endif %}
{% endfor %}`

/** Gemma's, which has no role for the system: its message goes before the next that is not the model's. */
const gemma = `{% set ns = namespace(system='') %}
{% for message in messages %}
{% set text = message['content'] | trim %}
{% if message['role'] == 'system' %}
{% set ns.system = ns.system + text %}
{% elif message['role'] == 'assistant' %}
{{ '<start_of_turn>model\\n' + text + '<end_of_turn>\\n' }}
{%- else %}
{{ '<start_of_turn>' + message['role'] + '\\n' + (ns.system + '\\n\\n' if ns.system else '') + text + '<end_of_turn>\\n' }}
{%- set ns.system = '' %}
{% endif %}
{% endfor %}
{% if add_generation_prompt %}
{{ '<start_of_turn>model\\n' }}
{%- endif %}`

export const BUILTIN_TEMPLATES: ReadonlyMap<string, string> = new Map([
  ...TURN_TEMPLATES,
  ...Object.entries({
    gemma,
    llama2,
    llama3,
    mistral,
    'mistral-v1': mistralVersion(' ', ' '),
    'mistral-v3': mistralVersion('', ' ', ' | trim'),
    'mistral-v3-tekken': mistralVersion('', ''),
    zephyr,
  }),
])
