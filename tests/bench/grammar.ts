/**
 * How long grammars take on a large vocabulary: the tree of its tokens, compiling real schemas, and each token of their
 * valid instances, checked by itself and as a mask; then the worst token of grammars that are meant to be too much.
 *
 *     npm run bench:grammar [-- VOCABULARY]     a name in the shared folder's vectors/tokenizers; default: llama-bpe
 */
import { readFileSync } from 'node:fs'
import { GrammarError } from '../../js/errors.ts'
import { compileGrammar, type Grammar } from '../../js/grammar/grammar.ts'
import { vocabularyOf } from '../../js/grammar/vocabulary.ts'
import { HOSTILE } from '../hostile-grammars.ts'
import { draws } from '../random-draws.ts'
import { shared } from '../shared.ts'
import { vocabularies } from '../unit/tokenizer-vocabularies.ts'

interface RealCase {
  schema: unknown
  tests: { valid: boolean; data: unknown }[]
}

const name = process.argv[2] ?? 'llama-bpe'
const tokenizer = (await vocabularies()).get(name)
if (!tokenizer) throw new Error(`no vocabulary ${name}`)

/** Milliseconds that something takes. */
function timed<T>(times: number[], run: () => T): T {
  const start = performance.now()
  try {
    return run()
  } finally {
    times.push(performance.now() - start)
  }
}

function show(what: string, times: number[]): void {
  const sorted = times.sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]!
  const mean = sorted.reduce((sum, time) => sum + time, 0) / sorted.length
  const figures = { mean, median: at(0.5), '99 %': at(0.99), '99.9 %': at(0.999) }
  const shown = Object.entries(figures).map(([key, time]) => `${key} ${time.toFixed(4)} ms`)
  console.log(`${what.padEnd(28)} ${shown.join('   ')}   of ${sorted.length}`)
}

const trie: number[] = []
timed(trie, () => vocabularyOf(tokenizer))
console.log(`${'tree of tokens'.padEnd(28)} ${trie[0]!.toFixed(0)} ms, ${tokenizer.vocabularySize} tokens of ${name}`)
const [compiling, checking, masking]: number[][] = [[], [], []]
const lines = readFileSync(shared('vectors', 'jsonschema', 'maskbench.jsonl'), 'utf8').split('\n')
for (const line of lines.filter((text) => text !== '')) {
  const { schema, tests } = JSON.parse(line) as RealCase
  let grammar: Grammar
  try {
    grammar = timed(compiling!, () => compileGrammar({ jsonSchema: schema }, tokenizer))
  } catch (error) {
    if (error instanceof GrammarError) continue
    throw error
  }
  for (const { data } of tests.filter(({ valid }) => valid)) {
    const state = grammar.start()
    for (const id of tokenizer.tokenize(JSON.stringify(data), { bos: false })) {
      timed(masking!, () => state.mask())
      timed(checking!, () => state.allows(id))
      if (!state.accept(id)) break
    }
  }
}
show('compileGrammar', compiling!)
show('allows', checking!)
show('mask', masking!)

for (const [what, source] of Object.entries(HOSTILE)) {
  const [compiled, tokens]: number[][] = [[], []]
  let end = 'followed'
  try {
    const grammar = timed(compiled!, () => compileGrammar(source, tokenizer))
    const state = timed(tokens!, () => grammar.start())
    const { pick } = draws(7)
    for (let step = 0; step < 300 && !state.complete; step++) {
      timed(tokens!, () => {
        const ids = idsOf(state.mask(), tokenizer.vocabularySize)
        state.accept(pick(ids))
      })
    }
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error
    end = error.code
  }
  const [compile, token] = [compiled, tokens].map(
    (times) =>
      `${Math.max(0, ...times!)
        .toFixed(1)
        .padStart(7)} ms`,
  )
  console.log(`${what.padEnd(28)} compile ${compile}   worst of ${tokens!.length} tokens ${token}   ${end}`)
}

function idsOf(mask: Uint32Array, size: number): number[] {
  return Array.from({ length: size }, (_, id) => id).filter((id) => (mask[id >> 5]! >>> (id & 31)) & 1)
}
