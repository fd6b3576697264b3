/**
 * The same GGUF on cria, in Node and in Chromium, on llama.cpp's own llama-bench and on wllama, in turns, so that what else
 * the machine does meets all alike. Prints one Markdown table: tokens per second (median, least–most) and their ratio to
 * llama.cpp.
 *
 *     npm run bench:peers -- --model FILE [-p 128] [-n 32] [-t 1,2] [-d 0] [--kv f16] [--rounds 3] [-r 3] [--peers LIST]
 *
 * --peers: of llama.cpp, node (the one at hand), node24, chromium, wllama2, wllama3, in this order; default: all that are
 * installed (docs/PERFORMANCE.md says how).
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus, homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { type Test, testName } from '../../../js/bench/measure.ts'
import type { KvType } from '../../../js/engine/kv.ts'
import { median, spread } from '../spread.ts'
import { type BrowserPeers, missingInBrowser, openBrowserPeers } from './browser.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const CACHE = process.env.CRIA_PEERS ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'cria-peers')
const LLAMA_BENCH = join(CACHE, 'llama-bench')
const NODE_24 = join(ROOT, 'tests/runtimes/node_modules/node24/bin/node')
const CRIA = join(ROOT, 'dist/cli.js')

/** What llama-bench and `cria bench` write of a test. */
interface Row {
  build_commit: string
  backends: string
  n_threads: number
  n_prompt: number
  n_gen: number
  n_depth: number
  samples_ts: number[]
}

/** A test on a number of threads. */
interface Cell extends Test {
  threads: number
}

interface Peer {
  /** Of --peers. */
  key: string
  title: string
  /** Which build ran. */
  build: string
  /** Why it cannot be measured here. */
  missing: string | undefined
  /** Runs all tests, each number of threads in turn. */
  run(): Promise<void>
  /** Rates of all rounds, by cell. */
  rates: Map<string, number[]>
}

const execute = promisify(execFile)
process.chdir(ROOT)

const { values } = parseArgs({
  options: {
    model: { type: 'string', short: 'm' },
    prompt: { type: 'string', short: 'p', default: '128' },
    generate: { type: 'string', short: 'n', default: '32' },
    threads: { type: 'string', short: 't', default: '1,2' },
    depth: { type: 'string', short: 'd', default: '0' },
    kv: { type: 'string', default: 'f16' },
    repetitions: { type: 'string', short: 'r', default: '3' },
    rounds: { type: 'string', default: '3' },
    peers: { type: 'string' },
  },
})
if (values.model === undefined) fail('Give --model FILE; cria bench --shape … --out FILE writes one of random weights.')
if (!existsSync(CRIA)) fail('dist/ is absent: npm run build makes it.')
const model = resolve(process.env.INIT_CWD ?? '.', values.model)
if (!existsSync(model)) fail(`There is no file ${model}.`)
const kv = values.kv as KvType
const tests = listTests()
const cells = numbers(values.threads).flatMap((threads) => tests.map((test): Cell => ({ ...test, threads })))

let browser: BrowserPeers | undefined
const peers = choose([
  commandPeer('llama.cpp', LLAMA_BENCH, ['-o', 'json', '-ctv', values.kv], 'tests/bench/peers/build-llama-bench.sh'),
  commandPeer('node', process.execPath, ['--json'], '', [CRIA, 'bench']),
  commandPeer('node24', NODE_24, ['--json'], 'npm ci --prefix tests/runtimes', [CRIA, 'bench']),
  browserPeer('chromium', 'cria'),
  browserPeer('wllama2', 'wllama2'),
  browserPeer('wllama3', 'wllama3'),
])
await nameAll()
for (let round = 0; round < Number(values.rounds); round++) {
  // Each round begins with another one.
  for (const [i] of peers.entries()) await peers[(i + round) % peers.length]!.run()
  process.stderr.write(`round ${round + 1} of ${values.rounds} done\n`)
}
await browser?.close()
print()

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}

function numbers(list: string): number[] {
  return list.split(',').map(Number)
}

/** Of each depth: prompts, then generations. */
function listTests(): Test[] {
  const given = (list: string): number[] => numbers(list).filter((count) => count > 0)
  return numbers(values.depth).flatMap((depth) => [
    ...given(values.prompt).map((prompt) => ({ prompt, generate: 0, depth })),
    ...given(values.generate).map((generate) => ({ prompt: 0, generate, depth })),
  ])
}

/** Those that --peers names, or that are there. */
function choose(all: readonly Peer[]): Peer[] {
  const asked = values.peers?.split(',')
  const unknown = asked?.find((key) => !all.some((peer) => peer.key === key))
  if (unknown !== undefined) fail(`--peers takes ${all.map(({ key }) => key).join(', ')}, not ${unknown}.`)
  const chosen = all.filter(({ key }) => !asked || asked.includes(key))
  for (const { key, missing } of chosen) {
    if (missing !== undefined) process.stderr.write(`${key} is left out: ${missing}\n`)
  }
  const there = chosen.filter(({ missing }) => missing === undefined)
  return there.length > 0 ? there : fail('None of the peers is installed.')
}

/** A program with llama-bench's flags and JSON. */
function commandPeer(key: string, command: string, flags: string[], install: string, before: string[] = []): Peer {
  const { prompt, generate, threads, depth, repetitions } = values
  const common = ['-p', prompt, '-n', generate, '-t', threads, '-d', depth, '-r', repetitions, '-ctk', values.kv]
  return {
    key,
    title: key,
    build: '',
    missing: existsSync(command) ? undefined : `${command} is absent: ${install} makes it`,
    rates: new Map(),
    async run() {
      const { stdout } = await execute(command, [...before, '-m', model, ...common, ...flags], { maxBuffer: 1 << 26 })
      for (const row of JSON.parse(stdout) as Row[]) {
        const { n_threads, n_prompt, n_gen, n_depth, samples_ts, backends, build_commit } = row
        this.build = key === 'llama.cpp' ? build_commit : backends
        add(this, { threads: n_threads, prompt: n_prompt, generate: n_gen, depth: n_depth }, samples_ts)
      }
    },
  }
}

/** A page of Chromium. One that fails leaves its cells empty: wllama cannot load every model on any number of threads. */
function browserPeer(key: string, name: 'cria' | 'wllama2' | 'wllama3'): Peer {
  return {
    key,
    title: key,
    build: '',
    missing: missingInBrowser(name),
    rates: new Map(),
    async run() {
      for (const threads of numbers(values.threads)) {
        try {
          const request = { tests, threads, kv, repetitions: Number(values.repetitions) }
          const { build, samples } = await browser!.run(name, request)
          this.build = build
          for (const [i, test] of tests.entries()) add(this, { ...test, threads }, samples[i]!)
        } catch (error) {
          process.stderr.write(`${this.title}, ${threads} threads: ${String(error)}\n`)
        }
      }
    },
  }
}

function keyOf({ threads, prompt, generate, depth }: Cell): string {
  return [threads, prompt, generate, depth].join()
}

function add({ rates }: Peer, cell: Cell, samples: readonly number[]): void {
  rates.set(keyOf(cell), [...(rates.get(keyOf(cell)) ?? []), ...samples])
}

/** `cria, Node 24.1.0`. */
async function nameAll(): Promise<void> {
  for (const peer of peers) {
    if (peer.key === 'node') peer.title = `cria, Node ${process.version.slice(1)}`
    if (peer.key === 'node24')
      peer.title = `cria, Node ${(await execute(NODE_24, ['--version'])).stdout.trim().slice(1)}`
    if (!['chromium', 'wllama2', 'wllama3'].includes(peer.key)) continue
    browser ??= await openBrowserPeers(model)
    peer.title = `${peer.key === 'chromium' ? 'cria' : await wllamaName(peer.key)}, Chromium ${browser.version}`
  }
}

/** `wllama 3.8.1`. */
async function wllamaName(folder: string): Promise<string> {
  const url = new URL(`./node_modules/${folder}/package.json`, import.meta.url)
  const { default: manifest } = await import(url.href, { with: { type: 'json' } })
  return `wllama ${manifest.version}`
}

function print(): void {
  const reference = peers.find(({ key }) => key === 'llama.cpp')
  const others = peers.filter((peer) => peer !== reference)
  const titles = others.flatMap(({ title }) => (reference ? [title, 'ratio'] : [title]))
  const head = ['threads', 'test', ...(reference ? [reference.title] : []), ...titles]
  console.log(`${values.model}, KV cache ${kv}, tokens per second: median (least–most)\n`)
  console.log(
    `${cpus()[0]?.model}, ${cpus().length} processors; ${peers.map((p) => `${p.title}: ${p.build}`).join('; ')}\n`,
  )
  console.log(`| ${head.join(' | ')} |\n|---:|---|${head.slice(2).fill('---:|').join('')}`)
  for (const cell of cells) {
    const native = reference?.rates.get(keyOf(cell))
    const rates = others.flatMap((peer) => {
      const own = peer.rates.get(keyOf(cell)) ?? []
      const ratio = native && own.length > 0 ? rounded(median(own) / median(native)) : '–'
      return reference ? [spread(own), ratio] : [spread(own)]
    })
    const row = [cell.threads, testName(cell), ...(reference ? [spread(native ?? [])] : []), ...rates]
    console.log(`| ${row.join(' | ')} |`)
  }
}

function rounded(ratio: number): string {
  return ratio < 0.1 ? ratio.toPrecision(2) : ratio.toFixed(2)
}
