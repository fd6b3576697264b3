/** Texts, a conversation, and ways of sampling: awkward enough to show where an engine differs. */
import type { ChatOptions, GenerateOptions } from '../api/types.ts'
import type { ChatMessage } from '../chat/types.ts'

/** Spaces, scripts, combining marks, emoji of several parts, controls, numbers, and half a surrogate pair. */
export const TEXTS = [
  '',
  ' ',
  '\n\n  \t x',
  'Once upon a time, there was a little girl named Lily.',
  "I'd've said: don't! 'Twas 3.14159 (or 22/7) — 1,000,000 of them…",
  'Größe, naïve, İstanbul, ﬁ, Å vs. A\u030a, e\u0301',
  'Привет, мир! Καλημέρα κόσμε. שלום עולם. مرحبا بالعالم',
  '你好，世界。こんにちは、世界！ 안녕하세요 ㅎㅎ',
  'नमस्ते दुनिया, สวัสดีชาวโลก',
  '🦙👩‍👩‍👧‍👦🏳️‍🌈🇵🇪👍🏽',
  '\u0000\u0007\u001b[0m\u007f\u200b\ufeff\u2028',
  'a'.repeat(300),
  'for (let i = 0; i < n; i++) { x[i] *= 2.5e-3 }\r\n',
  '<s> </s> <unk> <0x0A> ▁ \ud83e',
]

export const CONVERSATION: readonly ChatMessage[] = [
  { role: 'system', content: 'You tell stories.' },
  { role: 'user', content: 'Tell me of a llama.' },
  { role: 'assistant', content: 'There was a little llama.' },
  { role: 'user', content: 'And then?' },
]

/** Every sampler alone and together, from fixed seeds. */
export const SAMPLING: readonly GenerateOptions[] = [
  { temperature: 0 },
  { seed: 1 },
  { seed: 4294967295, temperature: 1.5, topK: 0, topP: 1, minP: 0 },
  { seed: 42, temperature: 1, topK: 5 },
  { seed: 42, temperature: 1, topK: 0, topP: 0.7, minP: 0 },
  { seed: 42, temperature: 1, topK: 0, topP: 1, minP: 0.2 },
  { seed: 42, temperature: 1, topK: 0, typicalP: 0.6 },
  { seed: 42, temperature: 2, topNSigma: 1 },
  { seed: 7, temperature: 1, dynatempRange: 0.5, dynatempExponent: 1.3 },
  { seed: 7, temperature: 1, repeatPenalty: 1.3, repeatLastN: 32, frequencyPenalty: 0.4, presencePenalty: 0.2 },
  { seed: 7, temperature: 1.2, dryMultiplier: 0.8, dryAllowedLength: 1, dryPenaltyLastN: -1 },
  { seed: 7, temperature: 1, xtcProbability: 0.5, xtcThreshold: 0.05 },
  { seed: 7, temperature: 1, mirostat: 1, mirostatTau: 2 },
  { seed: 7, temperature: 1, mirostat: 2, mirostatTau: 3 },
  { seed: 7, temperature: 1, topK: 0, adaptiveTarget: 0.3 },
  { seed: 7, temperature: 0, samplers: ['top_k', 'dry', 'xtc', 'temperature'], dryMultiplier: 1, xtcProbability: 1 },
]

const text = (maxLength: number) => ({ type: 'string', maxLength })
const SCHEMA = {
  type: 'object',
  properties: {
    name: { type: 'string', pattern: '^[A-ZÄÖÜ][a-zäöüß]{2,9}$' },
    kind: { enum: ['llama', 'алпака', '🦙'] },
    age: { type: 'integer', minimum: -3, maximum: 250 },
    weight: { type: 'number', exclusiveMinimum: 0.5, maximum: 99.25, multipleOf: 0.25 },
    born: { type: 'string', format: 'date' },
    tags: { type: 'array', items: text(9), minItems: 1, maxItems: 3 },
    home: { anyOf: [{ type: 'null' }, { type: 'boolean' }, text(20)] },
    parents: { $ref: '#/$defs/parents' },
  },
  required: ['name', 'kind', 'age', 'weight', 'born', 'tags', 'parents'],
  additionalProperties: false,
  $defs: {
    parents: { type: 'array', items: { anyOf: [text(9), { $ref: '#/$defs/parents' }] }, maxItems: 2 },
  },
}
const GRAMMAR = `root  ::= "📜 " line{2,3} [^a-z\\n]{0,5} end
line  ::= noun ( "," [ \\t]? noun ){0,4} "\\n"
noun  ::= [a-zß]{1,8} | "(" noun ")" | "\\u00e9" noun?
end   ::= "." | "。" | "!"+ "?"`
const REGEX = '(?:Once|Upon|Où|Когда){1,3} (?:\\w{2,8}[,;] ?){2,4}(?:\\d+(?:\\.\\d{2})?|\\p{L}\\S{0,6}|🦙+)[.!]?'

/** What texts are held to, by the kind of constraint. */
export const CONSTRAINTS: Readonly<Record<string, readonly GenerateOptions[]>> = {
  schema: [{ schema: SCHEMA }, { schema: SCHEMA.properties.tags }],
  grammar: [{ grammar: GRAMMAR }],
  regex: [{ regex: REGEX }],
}
/** Likely texts, and texts that without a constraint would be anything. */
export const CONSTRAINED_SAMPLING: readonly GenerateOptions[] = [
  { temperature: 0 },
  { seed: 3 },
  { seed: 11, temperature: 1.5, topK: 0, topP: 1, minP: 0 },
]

/** Tools, and a template that shows how they are called. */
export const CALLING: ChatOptions = {
  template: `{%- for message in messages %}<|{{ message.role }}|>{{ message.content }}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}
{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif %}`,
  tools: [
    { type: 'function', function: { name: 'count', parameters: SCHEMA } },
    {
      type: 'function',
      function: {
        name: 'draw',
        parameters: {
          type: 'object',
          properties: { red: { type: 'boolean' } },
          required: ['red'],
          additionalProperties: true,
        },
      },
    },
  ],
  toolChoice: 'required',
  maxTokens: 300,
}
