/**
 * Writes the tables of docs/FLAGS.md, between its two marks, from the tables that the command line reads flags by.
 *
 *     node --import tsx scripts/flags-docs.mjs [--check]     --check: fails where the tables are not up to date
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { COMMANDS } from '../js/cli/commands.ts'

const BEGIN = '<!-- written by scripts/flags-docs.mjs -->'
const END = '<!-- end -->'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const path = 'docs/FLAGS.md'
const written = readFileSync(path, 'utf8')
const [before, after] = [written.indexOf(BEGIN) + BEGIN.length, written.indexOf(END)]

/** Cells by a key, in the order in which they come. */
function add(rows, key, ...items) {
  rows.set(key, new Set([...(rows.get(key) ?? []), ...items]))
}

function escaped(cell) {
  return cell.replaceAll('|', '\\|')
}

function code(names) {
  return names.map((name) => `\`${name}\``).join(' ')
}

function table(heads, rows) {
  return [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |`).join('\n')
}

const obeyed = new Map()
const does = new Map()
const neutral = new Map()
const refused = new Map()
for (const { name, flags, foreign = [] } of COMMANDS) {
  for (const { names, negated = [], takes, help, env } of Object.values(flags)) {
    const key = JSON.stringify([code([...names, ...negated]) + (takes ? ` ${takes}` : ''), env ? code([env]) : ''])
    add(obeyed, key, name)
    if (!does.has(key)) does.set(key, help)
  }
  for (const { names, reason, nothing = [], refused: no } of foreign) {
    const but = nothing.length > 0 ? ` (but for ${code(nothing)})` : ''
    add(no ? refused : neutral, reason, `${code(names)}${but}`)
  }
}

const parts = [
  '## Obeyed',
  table(
    ['flag', 'variable', 'commands', 'does'],
    Array.from(obeyed, ([key, commands]) => [...JSON.parse(key), [...commands].join(' '), does.get(key)]),
  ),
  '## Accepted, and without effect',
  table(
    ['because', 'flags'],
    Array.from(neutral, ([reason, names]) => [reason, [...names].join(', ')]),
  ),
  '## Refused by name',
  table(
    ['because', 'flags'],
    Array.from(refused, ([reason, names]) => [reason, [...names].join(', ')]),
  ),
]
const text = `${written.slice(0, before)}\n\n${parts.join('\n\n')}\n\n${written.slice(after)}`
if (text !== written) {
  if (process.argv.includes('--check'))
    throw new Error(`${path} is out of date: node --import tsx scripts/flags-docs.mjs`)
  writeFileSync(path, text)
}
