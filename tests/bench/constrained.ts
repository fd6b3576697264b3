/**
 * Tokens a second of generation under a schema, beside free generation of the same model in the same process by turns: an
 * array of objects whose members the model chooses, and one whose member names are long and follow by force.
 *
 *     npm run bench:constrained -- --model FILE [-n 128] [-t 2] [--rounds 5]
 *
 * All are greedy and of the same length. A rate counts every token, and the time from the first text to the last.
 */
import { parseArgs } from 'node:util'
import { median, spread } from './spread.ts'

const { load } = (await import(
  new URL('../../dist/index.js', import.meta.url).href
)) as typeof import('../../js/index.ts')

const { values } = parseArgs({
  options: {
    model: { type: 'string', short: 'm' },
    tokens: { type: 'string', short: 'n', default: '128' },
    threads: { type: 'string', short: 't', default: '2' },
    rounds: { type: 'string', default: '5' },
  },
})
if (values.model === undefined) throw new Error('--model FILE is missing')
const [maxTokens, threads, rounds] = [values.tokens, values.threads, values.rounds].map(Number) as [
  number,
  number,
  number,
]

/** Longer than any run here. */
const listOf = (properties: object) => ({
  type: 'array',
  items: { type: 'object', properties, required: Object.keys(properties), additionalProperties: false },
  minItems: 1000,
})
const [text, count] = [
  { type: 'string', maxLength: 40 },
  { type: 'integer', minimum: 0, maximum: 999 },
]
const MODES = {
  free: { ignoreEos: true },
  json: { schema: listOf({ name: text, legs: count, food: text }) },
  forced: { schema: listOf({ name_of_the_animal_in_english: text, how_many_legs_the_animal_has: count }) },
}
type Mode = keyof typeof MODES
const modes = Object.keys(MODES) as Mode[]

const model = await load(values.model, { threads, context: 1024 })
const rates: Record<Mode, number[]> = { free: [], json: [], forced: [] }
for (let round = -1; round < rounds; round++) {
  for (const mode of modes) {
    let start = 0
    const generation = model.chat(
      [{ role: 'user', content: 'Give me a long list of animals as JSON, with their names, legs and food.' }],
      { ...MODES[mode], temperature: 0, maxTokens, onToken: () => (start ||= performance.now()) },
    )
    const { ids } = await generation.result()
    // The first round compiles.
    if (round >= 0) rates[mode].push(((ids.length - 1) / (performance.now() - start)) * 1000)
  }
}
await model.close()
for (const mode of modes) {
  const ratios = rates[mode].map((rate, round) => rate / rates.free[round]!)
  console.log(`${mode.padEnd(8)} ${spread(rates[mode])} tokens/s, ${median(ratios).toFixed(3)} × free`)
}
