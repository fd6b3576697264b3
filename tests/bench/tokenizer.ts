/**
 * Tokenizers: time to build one from metadata, speed of encoding and decoding, and runs that would take a careless
 * merge for ever. Usage: node --import tsx tests/bench/tokenizer.ts
 */
import { readFileSync } from 'node:fs'
import { createTokenizer } from '../../js/tokenizer/tokenizer.ts'
import { shared } from '../shared.ts'
import { vocabularyMetadata } from '../unit/tokenizer-vocabularies.ts'

const MEGABYTE = 1_000_000
const RUN = 100_000

function seconds(run: () => unknown): number {
  const start = performance.now()
  run()
  return (performance.now() - start) / 1000
}

const prose = readFileSync(shared('goldens', 'perplexity.txt'), 'utf8')
const text = prose.repeat(Math.ceil(MEGABYTE / prose.length))
// No word twice: the cache is of no use here.
let state = 1
const noise = Array.from({ length: MEGABYTE / 2 }, () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return String.fromCharCode(state >>> 30 === 0 ? 0x20 : 0x61 + ((state >>> 24) % 26))
}).join('')
const RUNS: Record<string, string> = {
  a: 'a'.repeat(RUN),
  spaces: ' '.repeat(RUN),
  newlines: '\n'.repeat(RUN),
  digits: '1'.repeat(RUN),
  '<': '<'.repeat(RUN),
  emoji: '😀'.repeat(RUN / 2),
}

for (const [name, metadata] of await vocabularyMetadata()) {
  const build = Math.min(...[1, 2, 3].map(() => seconds(() => createTokenizer(metadata))))
  const tokenizer = createTokenizer(metadata)
  const encode = seconds(() => tokenizer.tokenize(text))
  const encodeNoise = seconds(() => tokenizer.tokenize(noise))
  const ids = tokenizer.tokenize(text)
  const decode = seconds(() => tokenizer.detokenize(ids))
  const rate = (units: number, time: number) => `${(units / MEGABYTE / time).toFixed(1)} MB/s`
  console.log(
    `${name}: ${tokenizer.vocabularySize} tokens, built in ${(build * 1000).toFixed(0)} ms; ` +
      `encodes prose at ${rate(text.length, encode)}, noise at ${rate(noise.length, encodeNoise)}; ` +
      `decodes at ${rate(text.length, decode)}`,
  )
  const runs = Object.entries(RUNS).map(([what, run]) => {
    return `${what} ${(seconds(() => tokenizer.tokenize(run)) * 1000).toFixed(0)} ms`
  })
  console.log(`  runs of ${RUN}: ${runs.join(', ')}`)
}
