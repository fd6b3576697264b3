/**
 * Writes the tables of docs/SERVER.md, between its two marks, from the schemas that check requests. Fields without a
 * description, and descriptions without a field, are errors.
 *
 *     node --import tsx scripts/server-docs.mjs [--check]     --check: fails where the tables are not up to date
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DOES, TITLES } from '../js/server/descriptions.ts'
import { ENDPOINTS } from '../js/server/schemas.ts'

/** Endpoints that take what another one takes. */
const LIKE = { infill: 'native' }
/** Endpoints that generate nothing, and take what another one makes its prompt of. */
const PROMPT_OF = { applyTemplate: 'chat', inputTokens: 'chat', responseTokens: 'responses', countTokens: 'messages' }

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
  const intro =
    'What `/v1/chat/completions`, `/v1/completions`, `/v1/responses`, `/completion` and `/infill` have in common.'
  return ['### Fields of all that generate', intro, ...lists('', { ...common, required: [] })].join('\n\n')
}

function section(name, { method, path: url, also, takes, required, idle, refused }) {
  const addresses = also.length > 0 ? ` Also ${also.map((path) => `\`${path}\``).join(', ')}.` : ''
  const like = LIKE[name] ? ENDPOINTS[LIKE[name]] : undefined
  const shares = takes.stream && takes.n_predict
  const known = like ?? (shares ? common : { takes: {}, idle: {}, refused: {} })
  const own = (kind, fields) =>
    Object.fromEntries(Object.entries(fields).filter(([field, rule]) => known[kind][field] !== rule))
  const beside = like ? `the fields of \`${like.path}\`` : 'the fields of all that generate'
  const whole = ENDPOINTS[PROMPT_OF[name]]
  const none = { idle: {}, refused: {} }
  const rest = whole ? none : { idle: own('idle', idle), refused: own('refused', refused) }
  const parts = [
    `### ${method} ${url}`,
    `${TITLES[name]}${addresses}${shares ? ` Beside ${beside}:` : ''}`,
    ...lists(name, { takes: own('takes', takes), required, ...rest }),
    ...(whole ? [`The other fields of \`${whole.path}\` have no effect; what is refused there is refused here.`] : []),
  ]
  return parts.join('\n\n')
}

function lists(name, { takes, required, idle, refused }) {
  const rows = Object.entries(takes).map(([field, rule]) => {
    const key = DOES[`${name}.${field}`] ? `${name}.${field}` : field
    if (!DOES[key]) throw new Error(`${name}.${field} has no description in js/server/descriptions.ts.`)
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
