/** A chat template that writes tool calls as Hermes does. */
export const HERMES = `{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% for t in m.tool_calls or [] %}
<tool_call>
{"name": {{ t.function.name|tojson }}, "arguments": {{ t.function.arguments|tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if tools %}{{ tools|tojson }}{% endif %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`
