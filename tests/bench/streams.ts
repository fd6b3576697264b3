/**
 * Many streams of one model at once: the tokens that cria generates in a second, beside llama.cpp's llama-server on the same
 * file; how long a stream waits for its next token while the prompts of others arrive; and how soon cria answers where the
 * beginning of a prompt is in its cache.
 *
 *     npm run bench:streams -- --model FILE [-s 1,4,8,16] [-p 32] [-n 64] [-t 2] [--rounds 3] [--peers cria,llama.cpp]
 *                              [--arriving 512] [--prompts 8] [--prefix 1000]
 *
 * A rate counts all tokens that were generated, and the time from the start of all streams, which is the same, to the end of
 * the last: prompts are part of it. Prompts are random tokens, no two alike, and no cache of them is used. Peers take turns.
 */
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Model } from '../../js/api/types.ts'
import type { KvType } from '../../js/engine/kv.ts'
import { llamaServer } from './peers/llama-server.ts'
import { median, spread } from './spread.ts'

/** A peer with the model loaded. */
export interface Session {
  /** Generates `maxTokens` tokens greedily, past any end; resolves to their number. `onToken` hears of each. */
  generate(
    prompt: readonly number[],
    options: { maxTokens: number; onToken?: () => void; signal?: AbortSignal },
  ): Promise<number>
  close(): Promise<void>
}

export interface StreamPeer {
  /** Of --peers. */
  key: string
  title: string
  /** Why it cannot be measured here. */
  missing: string | undefined
  /** Loads the model. `parallel` sequences at once, of at most `tokens` tokens each. */
  open(options: { model: string; threads: number; parallel: number; tokens: number; kv: KvType }): Promise<Session>
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
process.chdir(ROOT)
const { load, inspect } = (await import(
  new URL('../../dist/index.js', import.meta.url).href
)) as typeof import('../../js/index.ts')

const { values } = parseArgs({
  options: {
    model: { type: 'string', short: 'm' },
    streams: { type: 'string', short: 's', default: '1,4,8,16' },
    prompt: { type: 'string', short: 'p', default: '32' },
    generate: { type: 'string', short: 'n', default: '64' },
    threads: { type: 'string', short: 't', default: '2' },
    kv: { type: 'string', default: 'f16' },
    rounds: { type: 'string', default: '3' },
    arriving: { type: 'string', default: '512' },
    prompts: { type: 'string', default: '8' },
    prefix: { type: 'string', default: '1000' },
    peers: { type: 'string', default: 'cria,llama.cpp' },
  },
})
const [PROMPT, GENERATE, THREADS] = [Number(values.prompt), Number(values.generate), Number(values.threads)]
const [ROUNDS, ARRIVING, PROMPTS, PREFIX] = [
  ...[Number(values.rounds), Number(values.arriving)],
  ...[Number(values.prompts), Number(values.prefix)],
] as const
const STREAMS = values.streams.split(',').map(Number).filter(Boolean)
/** Tokens of a stream that others' prompts interrupt: more than it comes to. */
const ENDLESS = 2048
if (values.model === undefined) fail('Give --model FILE; cria bench --shape … --out FILE writes one of random weights.')
const model = resolve(process.env.INIT_CWD ?? '.', values.model)
if (!existsSync(model)) fail(`There is no file ${model}.`)
const { config } = await inspect(model)
if (!config) fail(`cria cannot run ${model}.`)
const kv = values.kv as KvType

const peers = [cria(), llamaServer()].filter(({ key, missing }) => {
  if (!values.peers.split(',').includes(key)) return false
  if (missing !== undefined) process.stderr.write(`${key} is left out: ${missing}\n`)
  return missing === undefined
})

/** Of the next prompt. */
let salt = 1
/** By peer: rates of each number of streams, a round each; token gaps in milliseconds, of all rounds. */
const rates = new Map(peers.map(({ key }) => [key, new Map(STREAMS.map((count) => [count, [] as number[]]))]))
const gaps = new Map(peers.map(({ key }) => [key, [] as number[]]))
/** Milliseconds to the first token: of a prompt that is new, and of another that begins like it. */
const soon = { first: [] as number[], second: [] as number[] }
for (let round = 0; round < ROUNDS; round++) {
  // Each round begins with another one.
  for (const [i] of peers.entries()) await measure(peers[(i + round) % peers.length]!, round)
  process.stderr.write(`round ${round + 1} of ${ROUNDS} done\n`)
}
print()

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}

/** cria in this process. */
function cria(): StreamPeer {
  return {
    key: 'cria',
    title: `cria, Node ${process.version.slice(1)}`,
    missing: undefined,
    async open({ model, threads, parallel, tokens, kv }) {
      const all = { threads, kv, context: tokens, parallel, kvTokens: parallel * tokens, onWarning: () => {} }
      const loaded: Model = await load(model, all)
      return {
        async generate(prompt, { maxTokens, onToken, signal }) {
          const { completionTokens } = await loaded
            .generate(prompt, {
              ...{ maxTokens, temperature: 0, ignoreEos: true },
              ...(onToken && { onToken }),
              ...(signal && { signal }),
            })
            .result()
          return completionTokens
        },
        close: () => loaded.close(),
      }
    },
  }
}

/** Token ids that no other call gives. */
function randomPrompt(length: number): number[] {
  let state = salt++
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 4_294_967_296) * config!.vocabSize)
  })
}

async function measure(peer: StreamPeer, round: number): Promise<void> {
  if (STREAMS.length > 0) {
    const tokens = Math.ceil((PROMPT + GENERATE) / 256) * 256
    const session = await peer.open({ model, threads: THREADS, parallel: Math.max(...STREAMS), tokens, kv })
    try {
      // The first generation compiles, and touches memory that is new.
      await session.generate(randomPrompt(PROMPT), { maxTokens: 8 })
      for (const [i] of STREAMS.entries()) {
        const count = STREAMS[(i + round) % STREAMS.length]!
        rates
          .get(peer.key)!
          .get(count)!
          .push(await rate(session, count))
      }
    } finally {
      await session.close()
    }
  }
  const tokens = Math.max(ENDLESS, ARRIVING + 256, PREFIX + 256)
  const session = await peer.open({ model, threads: THREADS, parallel: 2, tokens, kv })
  try {
    if (ARRIVING > 0) gaps.get(peer.key)!.push(...(await gapsWhilePromptsArrive(session)))
    if (PREFIX === 0 || peer.key !== 'cria') return
    const prefix = randomPrompt(PREFIX)
    for (const times of [soon.first, soon.second]) {
      const start = performance.now()
      await session.generate([...prefix, ...randomPrompt(8)], { maxTokens: 1 })
      times.push(performance.now() - start)
    }
  } finally {
    await session.close()
  }
}

/** Tokens per second of `count` streams together. */
async function rate(session: Session, count: number): Promise<number> {
  const prompts = Array.from({ length: count }, () => randomPrompt(PROMPT))
  const start = performance.now()
  const counts = await Promise.all(prompts.map((prompt) => session.generate(prompt, { maxTokens: GENERATE })))
  const seconds = (performance.now() - start) / 1000
  const total = counts.reduce((sum, one) => sum + one, 0)
  if (total !== count * GENERATE) throw new Error(`${total} tokens came of ${count * GENERATE}.`)
  return total / seconds
}

/** Milliseconds between the tokens of one stream, from the first prompt of others to the end of the last. */
async function gapsWhilePromptsArrive(session: Session): Promise<number[]> {
  const times: number[] = []
  const leaving = new AbortController()
  let running!: () => void
  const begun = new Promise<void>((resolve) => (running = resolve))
  const onToken = (): void => {
    if (times.push(performance.now()) === 8) running()
  }
  const options = { maxTokens: ENDLESS - PROMPT - 1, onToken, signal: leaving.signal }
  const stream = session.generate(randomPrompt(PROMPT), options)
  await Promise.race([begun, stream])
  const from = performance.now()
  for (let i = 0; i < PROMPTS; i++) await session.generate(randomPrompt(ARRIVING), { maxTokens: 1 })
  const to = performance.now()
  leaving.abort()
  const whole = await stream.catch(() => undefined)
  if (whole !== undefined) process.stderr.write('The stream ended before the prompts did: fewer --prompts would do.\n')
  const inside = times.filter((time) => time >= from && time <= to)
  // The first gap begins with the first prompt, and the last ends with the last one.
  return [from, ...inside, ...(whole === undefined ? [to] : [])]
    .map((time, i, all) => time - (all[i - 1] ?? time))
    .slice(1)
}

function print(): void {
  const native = peers.find(({ key }) => key === 'llama.cpp')
  console.log(`${values.model}, KV cache ${kv}, ${THREADS} threads, ${cpus()[0]?.model}, ${cpus().length} processors\n`)
  if (STREAMS.length > 0) {
    console.log(`Tokens per second, ${PROMPT} tokens of prompt and ${GENERATE} generated: median (least–most)\n`)
    const titles = peers.flatMap((peer) => (native && peer !== native ? [peer.title, 'ratio'] : [peer.title]))
    console.log(`| streams | ${titles.join(' | ')} |\n|---:|${titles.map(() => '---:|').join('')}`)
    for (const count of STREAMS) {
      const cells = peers.flatMap((peer) => {
        const own = rates.get(peer.key)!.get(count)!
        const ratio = native && (median(own) / median(rates.get(native.key)!.get(count)!)).toFixed(2)
        return ratio !== undefined && peer !== native ? [spread(own), ratio] : [spread(own)]
      })
      console.log(`| ${[count, ...cells].join(' | ')} |`)
    }
  }
  if (ARRIVING > 0) printGaps()
  if (soon.first.length === 0) return
  const [first, second] = [median(soon.first), median(soon.second)]
  console.log(
    `\nMilliseconds to the first token after ${PREFIX} tokens and 8 of its own, the first time and the second:`,
  )
  console.log(`${spread(soon.first)}, ${spread(soon.second)}: ${(first / second).toFixed(1)} times sooner`)
}

function printGaps(): void {
  console.log(
    `\nMilliseconds between a stream's tokens while ${PROMPTS} prompts of ${ARRIVING} arrive, one after the other\n`,
  )
  console.log(
    '| peer | tokens | median | 99th percentile | most | ratio of the percentile |\n|---|---:|---:|---:|---:|---:|',
  )
  for (const { key, title } of peers) {
    const sorted = [...gaps.get(key)!].sort((a, b) => a - b)
    const [middle, high] = [median(sorted), sorted[Math.ceil(0.99 * sorted.length) - 1] ?? NaN]
    const cells = [middle, high, sorted.at(-1) ?? NaN].map((gap) => gap.toFixed(1))
    console.log(`| ${[title, sorted.length, ...cells, (high / middle).toFixed(2)].join(' | ')} |`)
  }
}
