/** What runtimes gave, in Markdown. */
import { all } from '../runtimes/all.ts'
import type { Outcome } from './run-all.ts'

type Absent = readonly (readonly [name: string, why: string])[]

const HEAD = ['runtime', 'version', 'builds', 'threads', 'cases', 'configurations', 'hash', 'same', 'tokens/s']

/** One row a runtime. `hash` is the one over all cases; runs of stories260K alone have another. */
export function table(outcomes: readonly Outcome[], absent: Absent = []): string {
  const rows = outcomes.map(row)
  const missing = absent.map(([name, why]) => [name, '', `not here: ${why}`, ...HEAD.slice(3).map(() => '')])
  return [HEAD, HEAD.map(() => '---'), ...rows, ...missing].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** The cells of a row. */
export function row({ name, version, isas, threads, missing, cases, hash, ok, tokensPerSecond }: Outcome): string[] {
  const configurations = cases.reduce((sum, { configurations = 0 }) => sum + configurations, 0)
  const why = (what: string): string => (missing[what] === undefined ? '' : ` (${missing[what]})`)
  return [
    name,
    version,
    isas.join(', ') + why('relaxed'),
    (threads.length > 1 ? `1–${threads.at(-1)}` : '1') + why('threads'),
    String(cases.length),
    String(configurations),
    `\`${hash.slice(0, 16)}\``,
    ok ? 'yes' : 'NO',
    tokensPerSecond.toFixed(0),
  ]
}

/** README's table: the first cells of each row, and whether its bits are the same. */
function summary(rows: readonly (readonly string[])[]): string {
  const cells = [HEAD, HEAD.map(() => '---'), ...rows].map((row) => [...row.slice(0, 4), row[7]])
  return cells.map((row) => `| ${row.join(' | ')} |`).join('\n')
}

const [BEGIN, END] = [
  '<!-- Rows of docs/CONFORMANCE.md, by npm run conformance -- --write -->',
  '<!-- End of the rows -->',
]

/** README with these rows of docs/CONFORMANCE.md. */
export function readmeWith(readme: string, rows: readonly (readonly string[])[]): string {
  const [before, after] = [readme.indexOf(BEGIN) + BEGIN.length, readme.indexOf(END)]
  return `${readme.slice(0, before)}\n\n${summary(rows)}\n\n${readme.slice(after)}`
}

/** docs/CONFORMANCE.md. */
export function page(outcomes: readonly Outcome[], absent: Absent): string {
  const short = outcomes.filter(({ name }) => all.some((driver) => driver.name === name && driver.brief))
  return `# The same bits everywhere, measured

Written by \`npm run conformance -- --write\`. Each row is one run of the cases in \`js/conformance\`, from the built package:
logits of stories260K in every build × 1, 2, 3, 4 threads × pieces of 1, 7, 64 and all tokens of a prompt, and in process;
logits of small models of every supported type and architecture; tokenizers, samplers, chat, templates, calls of tools and texts that
grammars constrain; and errors, aborts, closing and dying workers, which have no hash. \`configurations\`: how many times logits were
computed. \`hash\`: the first 64 bits of the SHA-256 over all cases' hashes, which must be those of \`js/conformance/hashes.ts\`.
${short.length > 0 ? 'Emulated and restrained CPUs run stories260K alone, which has a hash of its own.\n' : ''}\`tokens/s\`: stories260K with the runtime's defaults. It shows which build runs rather than its speed: a brief story measures little.

${table(outcomes, absent)}

\`npx cria conformance\` checks the machine it runs on; a page does with \`conformance\` of \`cria/conformance\`.
`
}
