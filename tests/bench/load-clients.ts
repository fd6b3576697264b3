/**
 * Many clients of one `cria serve`, streaming all the time, a third of them leaving in mid-stream: what fails, what is lost,
 * what grows. tests/server/load.test.ts runs it briefly; by itself it takes a minute:
 *
 *     node --import tsx tests/bench/load-clients.ts [FILE] [--clients 64] [--seconds 60] [-t 2]
 */
import { parseArgs } from 'node:util'
import { Random } from '../../js/sampler/random.ts'
import { residentBytes } from '../runtimes/process.ts'
import { serve } from '../server/helpers.ts'
import { shared } from '../shared.ts'

export interface LoadOptions {
  model: string
  clients: number
  seconds: number
  /** Further flags of `cria serve`. */
  flags: readonly string[]
}

export interface LoadReport {
  /** Streams that were read to their end, and those that were left in the middle. */
  completed: number
  left: number
  /** Requests that were told to come back, by status. */
  toldToWait: Record<string, number>
  /** What went wrong in any other way. */
  failures: string[]
  /** Texts that were not as other answers to the same prompt began. */
  differing: string[]
  tokens: number
  /** Bytes of the server's memory, in the second third of the time and in the last: medians. */
  resident: [middle: number, last: number]
  /** Of /metrics, when all clients had gone. */
  metrics: Map<string, number>
  /** The server's exit code after SIGTERM. */
  code: number | null
}

/** Milliseconds between looks at the server's memory. */
const SAMPLE = 250
/** Milliseconds in which what clients left must be free again. */
const SETTLE = 5000

const OPENINGS = ['Once upon a time', 'One day, a little', 'The big dog', 'Tom and Lily', 'In a small house']

/** What one client sends: prompts that begin alike, so that prefixes are shared. */
function requestOf(random: Random): { prompt: string; max_tokens: number } {
  const pick = (count: number): number => Math.floor(random.uniform() * count)
  const opening = OPENINGS[pick(OPENINGS.length)]!
  return { prompt: `${opening} ${'very '.repeat(pick(12))}`.trim(), max_tokens: 4 + pick(40) }
}

export async function loadTest({ model, clients, seconds, flags }: LoadOptions): Promise<LoadReport> {
  const server = await serve('-m', model, ...flags)
  const report: LoadReport = {
    ...{ completed: 0, left: 0, toldToWait: {}, failures: [], differing: [], tokens: 0 },
    ...{ resident: [0, 0], metrics: new Map(), code: null },
  }
  const texts = new Map<string, string>()
  const deadline = performance.now() + 1000 * seconds
  const samples: number[] = []
  const sampler = setInterval(() => samples.push(residentBytes(server.child.pid!)), SAMPLE)
  try {
    await Promise.all(
      Array.from({ length: clients }, async (_, i) => {
        const random = new Random(i)
        while (performance.now() < deadline) await oneRequest(server.url, random, i % 3 === 0, report, texts)
      }),
    )
  } finally {
    clearInterval(sampler)
  }
  const third = Math.floor(samples.length / 3)
  report.resident = [median(samples.slice(third, 2 * third)), median(samples.slice(2 * third))]
  report.metrics = await settledMetrics(server.url)
  server.child.kill('SIGTERM')
  report.code = await server.ended
  if (/^cria: (?!ending|warning)|Error/m.test(server.stderr())) report.failures.push(server.stderr().slice(-2000))
  return report
}

/** A stream, read to its end or, if the client is one that leaves, to some place in the middle. */
async function oneRequest(
  url: string,
  random: Random,
  leaves: boolean,
  report: LoadReport,
  texts: Map<string, string>,
): Promise<void> {
  const body = requestOf(random)
  const most = leaves ? Math.floor(random.uniform() * body.max_tokens) : Number.POSITIVE_INFINITY
  const leaving = new AbortController()
  try {
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      body: JSON.stringify({ ...body, temperature: 0, ignore_eos: true, stream: true }),
      signal: leaving.signal,
    })
    if (response.status === 429 || response.status === 503) {
      report.toldToWait[response.status] = (report.toldToWait[response.status] ?? 0) + 1
      await response.body?.cancel()
      const after = Number(response.headers.get('retry-after'))
      if (!(after > 0)) report.failures.push(`${response.status} without Retry-After`)
      await new Promise((resolve) => setTimeout(resolve, 1000 * after * random.uniform()))
      return
    }
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    let text = ''
    let events = 0
    let ended = false
    for await (const event of eventsOf(response.body as ReadableStream<Uint8Array<ArrayBuffer>>)) {
      ended = event === '[DONE]'
      if (ended) break
      const { choices, error } = JSON.parse(event)
      if (error) throw new Error(JSON.stringify(error))
      text += choices[0].text
      if (++events > most) break
    }
    if (ended) report.completed++
    else if (events > most) report.left++
    else throw new Error(`a stream ended after ${events} events without [DONE]`)
    report.tokens += events
    const before = texts.get(body.prompt) ?? ''
    if (!text.startsWith(before) && !before.startsWith(text)) report.differing.push(body.prompt)
    if (text.length > before.length) texts.set(body.prompt, text)
  } catch (error) {
    report.failures.push(String(error))
  } finally {
    leaving.abort()
  }
}

async function* eventsOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = ''
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split('\n\n')
    rest = parts.pop()!
    for (const part of parts) yield part.slice('data: '.length)
  }
}

/** Metrics by name with labels, when no request is under way any more, or after a while whatever they say. */
async function settledMetrics(url: string): Promise<Map<string, number>> {
  const start = performance.now()
  for (;;) {
    const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n').filter((line) => line.startsWith('cria:'))
    const metrics = new Map(lines.map((line) => [line.replace(/ \S+$/, ''), Number(/\S+$/.exec(line)![0])]))
    const busy = [...metrics].some(
      ([name, value]) => /requests_(processing|deferred)|state="(running|used)"/.test(name) && value > 0,
    )
    if (!busy || performance.now() - start > SETTLE) return metrics
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

if (process.argv[1]?.endsWith('load-clients.ts')) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      clients: { type: 'string', default: '64' },
      seconds: { type: 'string', default: '60' },
      threads: { type: 'string', short: 't', default: '2' },
    },
  })
  const report = await loadTest({
    model: positionals[0] ?? shared('models', 'SmolLM2-135M-Instruct.Q4_1.gguf'),
    clients: Number(values.clients),
    seconds: Number(values.seconds),
    flags: ['-t', values.threads],
  })
  const { metrics, resident, ...rest } = report
  console.log(JSON.stringify({ ...rest, residentMB: resident.map((bytes) => Math.round(bytes / 1e6)) }, null, 2))
  for (const [name, value] of metrics) console.log(name, value)
}
