/** Runs one case in Node, Deno or Bun: its name as the argument, what it takes on stdin, what it gives on stdout, as JSON. */
import { readFileSync } from 'node:fs'

const cases = await import('./cases.mjs')
const result = await cases[process.argv[2]](JSON.parse(readFileSync(0, 'utf8')))
process.stdout.write(JSON.stringify(result))
