/**
 * Writes the tables of docs/SERVER.md, between its two marks, from the schemas that check requests. Fields without a
 * description here, and descriptions without a field, are errors.
 *
 *     node --import tsx scripts/server-docs.mjs [--check]     --check: fails where the tables are not up to date
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ENDPOINTS } from '../js/server/schemas.ts'

const TITLES = {
  chat: 'An answer to a conversation, through the model’s chat template.',
  completions: 'Text that continues a prompt.',
  embeddings:
    'A vector for each input: the mean of the hidden states of its tokens after the last norm, of length 1. `model.embed` has other poolings.',
  native: 'llama-server’s own completion: one answer by itself, several as a list. Its form is llama-server’s.',
  infill: 'Text between a prefix and a suffix, for models with tokens for it; takes and gives what `/completion` does.',
  nativeEmbeddings: 'Embeddings in llama-server’s own form: `[{ index, embedding: [[…]] }]`.',
  tokenize: 'The tokens of a text.',
  detokenize: 'The text of tokens, special ones written out.',
  applyTemplate: 'A conversation as the text that the model reads, without the BOS that `/v1/completions` adds.',
  inputTokens: 'How many tokens a conversation is: `{ input_tokens }`.',
}

/** What each field does; with `endpoint.field` for one endpoint alone. */
const DOES = {
  messages:
    'The conversation, fitted to the template ([TEMPLATES.md](TEMPLATES.md#messages)). `content` is a text, parts of type `text`, or null; calls and their results are history alone. A last message of the assistant is continued',
  prompt: 'The prompt: a text, token ids, or several of either; choices come prompt by prompt',
  'native.prompt': 'The prompt, or several. BOS comes before a text that is first',
  'infill.prompt': 'The beginning of what is to be filled in',
  input_prefix: 'The text before the gap',
  input_suffix: 'The text after the gap',
  input_extra: 'Other files, which go before them',
  model: 'The model by its name; default: the first',
  stream: 'Server-sent events, `[DONE]` at the end, but for llama-server’s own endpoints',
  timings_per_token: '`timings` in every chunk, not in the last one alone',
  return_progress: '`prompt_progress` in a stream while the prompt is read',
  sse_ping_interval: 'Seconds of silence after which a stream gets a comment; -1: none; default: the server’s',
  samplers: 'Links of the chain, in its order; those left out are off',
  n_keep: 'Tokens of the prompt that a context shift keeps, where the server has `--context-shift`',
  num_ctx: 'At most the context of the model',
  verbose: '`__verbose` in the answer: the prompt as the model read it, the settings',
  n_predict: 'llama.cpp’s name of `max_tokens`, and wins over it',
  n_cmpl: 'llama.cpp’s name of `n`',
  n_probs: 'Number of the most probable tokens to report at each position, in `completion_probabilities`',
  id_slot: 'The slot to report, where it is idle; the cache is that of all slots',
  return_tokens: 'Report the ids of the answer in `tokens`',
  response_fields: 'The fields to return; `generation_settings/seed` is one within another',
  'native.logit_bias': 'Added to the logits of tokens; a text means all its tokens, false bans',
  'nativeEmbeddings.content': 'The input, or several',
  'nativeEmbeddings.input': 'Another name of `content`',
  embd_normalize: '2: of length 1, the default; -1: as they are',
  dimensions: 'As many as the model has',
  stream_options: '`include_usage`: a last chunk with the usage',
  n: 'Choices for each prompt',
  max_tokens: 'Most tokens of a choice; default, and -1: to the end of the context',
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
  add_generation_prompt: 'End with what opens an answer; default true',
  continue_final_message:
    'Go on with the last message, or with its `reasoning_content` alone; default: as it is written',
  chat_template_kwargs: 'Variables for the template, beside llama-server’s',
  reasoning_effort: 'A variable of the template; `none`: `enable_thinking` is false',
  tools: 'Tools for the template to describe',
  echo: 'Begin the text with the prompt',
  input: 'The input: a text, token ids, or several of either',
  encoding_format: 'Default `float`; `base64`: the bytes of little-endian 32-bit floats',
  content: 'The text',
  add_special: 'Add BOS and EOS where the model’s file has them; default false',
  parse_special: 'Read special tokens in the text as such; default true',
  with_pieces: 'Return `{ id, piece }` in place of ids',
  tokens: 'Token ids',
}

/** Endpoints that take what another one takes. */
const LIKE = { infill: 'native' }

const [BEGIN, END] = ['<!-- From the schemas: scripts/server-docs.mjs -->', '<!-- End of what is from the schemas -->']

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const path = 'docs/SERVER.md'
const used = new Set()
const written = readFileSync(path, 'utf8')
const [before, after] = [written.indexOf(BEGIN) + BEGIN.length, written.indexOf(END)]
/** What two generating endpoints have alike stands once, for all that have it. */
const [one, other] = [ENDPOINTS.chat, ENDPOINTS.completions]
const common = Object.fromEntries(['takes', 'idle', 'refused'].map((kind) => [kind, alike(one[kind], other[kind])]))
const tables = [generation(), ...Object.entries(ENDPOINTS).map(([name, endpoint]) => section(name, endpoint))]
const text = `${written.slice(0, before)}\n\n${tables.join('\n\n')}\n\n${written.slice(after)}`
const stray = Object.keys(DOES).filter((key) => !used.has(key))
if (stray.length > 0) throw new Error(`No endpoint takes ${stray.join(', ')}.`)
if (text !== written) {
  if (process.argv.includes('--check'))
    throw new Error(`${path} is out of date: node --import tsx scripts/server-docs.mjs`)
  writeFileSync(path, text)
}

function alike(fields, others) {
  return Object.fromEntries(Object.entries(fields).filter(([name, rule]) => others[name] === rule))
}

function generation() {
  const intro = 'What `/v1/chat/completions`, `/v1/completions`, `/completion` and `/infill` have in common.'
  return ['### Fields of all that generate', intro, ...lists('', { ...common, required: [] })].join('\n\n')
}

function section(name, { method, path: url, also, takes, required, idle, refused }) {
  const addresses = also.length > 0 ? ` Also ${also.map((path) => `\`${path}\``).join(', ')}.` : ''
  const like = LIKE[name] ? ENDPOINTS[LIKE[name]] : undefined
  const known = like ?? (takes.stream ? common : { takes: {}, idle: {}, refused: {} })
  const own = (kind, fields) =>
    Object.fromEntries(Object.entries(fields).filter(([field, rule]) => known[kind][field] !== rule))
  const beside = like ? `the fields of \`${like.path}\`` : 'the fields of all that generate'
  const renders = refused === ENDPOINTS.chat.refused && name !== 'chat'
  const none = { idle: {}, refused: {} }
  const rest = renders ? none : { idle: own('idle', idle), refused: own('refused', refused) }
  const parts = [
    `### ${method} ${url}`,
    `${TITLES[name]}${addresses}${takes.stream ? ` Beside ${beside}:` : ''}`,
    ...lists(name, { takes: own('takes', takes), required, ...rest }),
    ...(renders
      ? ['The other fields of `/v1/chat/completions` have no effect; what is refused there is refused here.']
      : []),
  ]
  return parts.join('\n\n')
}

function lists(name, { takes, required, idle, refused }) {
  const rows = Object.entries(takes).map(([field, rule]) => {
    const key = DOES[`${name}.${field}`] ? `${name}.${field}` : field
    if (!DOES[key]) throw new Error(`${name}.${field} has no description in scripts/server-docs.mjs.`)
    used.add(key)
    return `| \`${field}\`${required.includes(field) ? ', required' : ''} | ${rule.words} | ${DOES[key]} |`
  })
  const names = (fields) => Object.keys(fields).map((field) => `\`${field}\``)
  return [
    ['| field | takes | does |', '|---|---|---|', ...rows].join('\n'),
    ...(Object.keys(idle).length > 0 ? [`Accepted, without any effect: ${names(idle).join(', ')}.`] : []),
    ...(Object.keys(refused).length > 0 ? [`Not supported, and refused by name: ${refusals(refused)}.`] : []),
  ]
}

function refusals(refused) {
  const but = (rule) => /, but for (.*)$/.exec(rule.words)?.[1]
  return Object.entries(refused)
    .map(([field, rule]) => `\`${field}\`${but(rule) ? ` (but for \`${but(rule)}\`)` : ''}`)
    .join(', ')
}
