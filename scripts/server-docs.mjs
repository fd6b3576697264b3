/**
 * Writes the tables of docs/SERVER.md, between its two marks, from the schemas that check requests. Fields without a
 * description here, and descriptions without a field, are errors.
 *
 *     node --import tsx scripts/server-docs.mjs [--check]     --check: fails where the tables are not up to date
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { wordsOf } from '../js/server/rules.ts'
import { ENDPOINTS } from '../js/server/schemas.ts'

const TITLES = {
  chat: 'An answer to a conversation, through the model’s chat template.',
  completions: 'Text that continues a prompt.',
  embeddings:
    'A vector for each input: the mean of the hidden states of its tokens after the last norm, of length 1. `model.embed` has other poolings.',
  tokenize: 'The tokens of a text.',
  detokenize: 'The text of tokens, special ones written out.',
  applyTemplate: 'A conversation as the text that the model reads.',
}

/** What each field does; with `endpoint.field` for one endpoint alone. */
const DOES = {
  messages:
    'The conversation. `content` is a text or parts of type `text`; `developer` counts as `system`; templates get `name` and `reasoning_content` too',
  prompt: 'The prompt: a text, token ids, or several of either; choices come prompt by prompt',
  model: 'The model by its name; default: the first',
  stream: 'Server-sent events, `[DONE]` at the end',
  stream_options: '`include_usage`: a last chunk with the usage',
  n: 'Choices for each prompt',
  max_tokens: 'Most tokens of a choice; default: to the end of the context',
  max_completion_tokens: 'The newer name of `max_tokens`, and wins over it',
  stop: 'Texts that end a choice; the choice ends before them',
  ignore_eos: 'Ban end-of-generation tokens',
  temperature: 'Default 0.8; 0: greedy',
  top_p: 'Default 0.95',
  top_k: 'Default 40; 0 or -1: all',
  min_p: 'Default 0.05',
  typical_p: 'Default 1, off',
  top_n_sigma: 'Default -1, off',
  min_keep: 'Candidates that the cuts by probability keep at least; default 0',
  repeat_penalty: 'Default 1, off',
  repeat_last_n: 'Window of the penalties in tokens; default 64, -1: all',
  frequency_penalty: 'Default 0',
  presence_penalty: 'Default 0',
  dynatemp_range: 'Default 0, off',
  dynatemp_exponent: 'Default 1',
  logit_bias: 'Added to the logits of tokens; -100 or 100 should ban or force one',
  seed: 'Seed of the sampler, of the i-th choice seed + i; -1 or absent: random',
  logprobs: 'Report the log-probability of each token, as the model has it',
  'completions.logprobs':
    'Report the log-probability of each token and of this number of the most probable ones; with `echo` those of the prompt too',
  top_logprobs: 'Number of the most probable tokens to report at each position; needs `logprobs`',
  chat_template_kwargs: 'Variables for the template',
  echo: 'Begin the text with the prompt',
  input: 'The input: a text, token ids, or several of either',
  encoding_format: 'Default `float`; `base64`: the bytes of little-endian 32-bit floats',
  content: 'The text',
  add_special: 'Add BOS and EOS where the model’s file has them; default false',
  parse_special: 'Read special tokens in the text as such; default true',
  with_pieces: 'Return `{ id, piece }` in place of ids',
  tokens: 'Token ids',
}

const [BEGIN, END] = ['<!-- From the schemas: scripts/server-docs.mjs -->', '<!-- End of what is from the schemas -->']

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const path = 'docs/SERVER.md'
const used = new Set()
const written = readFileSync(path, 'utf8')
const [before, after] = [written.indexOf(BEGIN) + BEGIN.length, written.indexOf(END)]
const tables = Object.entries(ENDPOINTS).map(([name, endpoint]) => section(name, endpoint))
const text = `${written.slice(0, before)}\n\n${tables.join('\n\n')}\n\n${written.slice(after)}`
const stray = Object.keys(DOES).filter((key) => !used.has(key))
if (stray.length > 0) throw new Error(`No endpoint takes ${stray.join(', ')}.`)
if (text !== written) {
  if (process.argv.includes('--check'))
    throw new Error(`${path} is out of date: node --import tsx scripts/server-docs.mjs`)
  writeFileSync(path, text)
}

function section(name, { method, path: url, takes, required, idle, refused }) {
  const rows = Object.entries(takes).map(([field, rule]) => {
    const key = DOES[`${name}.${field}`] ? `${name}.${field}` : field
    if (!DOES[key]) throw new Error(`${name}.${field} has no description in scripts/server-docs.mjs.`)
    used.add(key)
    return `| \`${field}\`${required.includes(field) ? ', required' : ''} | ${wordsOf(rule)} | ${DOES[key]} |`
  })
  const names = (fields) => Object.keys(fields).map((field) => `\`${field}\``)
  const parts = [
    `### ${method} ${url}`,
    TITLES[name],
    ['| field | takes | does |', '|---|---|---|', ...rows].join('\n'),
    ...(Object.keys(idle).length > 0 ? [`Accepted, without any effect: ${names(idle).join(', ')}.`] : []),
    ...(Object.keys(refused).length > 0 ? [`Not supported, and refused by name: ${refusals(refused)}.`] : []),
  ]
  return parts.join('\n\n')
}

function refusals(refused) {
  const but = (rule) => /, but for (.*)$/.exec(wordsOf(rule))?.[1]
  return Object.entries(refused)
    .map(([field, rule]) => `\`${field}\`${but(rule) ? ` (but for \`${but(rule)}\`)` : ''}`)
    .join(', ')
}
