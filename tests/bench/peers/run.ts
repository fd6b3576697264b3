/**
 * The same GGUF on cria and on llama.cpp's own llama-bench, in turns, so that what else the machine does meets all alike.
 * Prints one Markdown table: tokens per second (median, least–most) and their ratio to llama.cpp.
 *
 *     npm run bench:peers -- --model FILE [-p 128] [-n 32] [-t 1,2] [-d 0] [--kv f16] [--rounds 3] [-r 3]
 *
 * Needs llama-bench (build-llama-bench.sh makes it); runs cria on the node at hand and on the Node 24 of tests/runtimes.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus, homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const CACHE = process.env.CRIA_PEERS ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'cria-peers')
const LLAMA_BENCH = join(CACHE, 'llama-bench')
const NODE_24 = join(ROOT, 'tests/runtimes/node_modules/node24/bin/node')
const CRIA = join(ROOT, 'dist/cli.js')

/** What both programs write of a test. */
interface Row {
  build_commit: string
  backends: string
  model_type: string
  n_threads: number
  n_prompt: number
  n_gen: number
  n_depth: number
  samples_ts: number[]
}

interface Peer {
  name: string
  command: string
  args: string[]
  /** Rates of all rounds, by test. */
  rates: Map<string, number[]>
}

const execute = promisify(execFile)

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
  },
})
const { model, prompt, generate, threads, depth, kv, repetitions } = values
if (model === undefined) fail('Give --model FILE; cria bench --shape … --out FILE writes one of random weights.')
if (!existsSync(CRIA)) fail('dist/ is absent: npm run build makes it.')
if (!existsSync(LLAMA_BENCH)) fail(`${LLAMA_BENCH} is absent: sh tests/bench/peers/build-llama-bench.sh makes it.`)

const common = ['-p', prompt, '-n', generate, '-t', threads, '-d', depth, '-r', repetitions]
const peers: Peer[] = [
  peer('llama.cpp', LLAMA_BENCH, ['-m', resolve(model), ...common, '-ctk', kv, '-ctv', kv, '-o', 'json']),
  ...[...new Set([NODE_24, process.execPath])].filter(existsSync).map((node) => {
    return peer('cria', node, [CRIA, 'bench', '-m', resolve(model), ...common, '-ctk', kv, '--json'])
  }),
]
await nameNodes()

const first = new Map<Peer, Row>()
const tests = new Map<string, Row>()
for (let round = 0; round < Number(values.rounds); round++) {
  // Each round begins with another one.
  for (const [i] of peers.entries()) await runRound(peers[(i + round) % peers.length]!)
  process.stderr.write(`round ${round + 1} of ${values.rounds} done\n`)
}
print()

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}

function peer(name: string, command: string, args: string[]): Peer {
  return { name, command, args, rates: new Map() }
}

/** `cria, Node 24.1.0`. */
async function nameNodes(): Promise<void> {
  for (const peer of peers.slice(1)) {
    const { stdout } = await execute(peer.command, ['--version'])
    peer.name += `, Node ${stdout.trim().slice(1)}`
  }
}

async function runRound(peer: Peer): Promise<void> {
  const { stdout } = await execute(peer.command, peer.args, { maxBuffer: 1 << 26 })
  for (const row of JSON.parse(stdout) as Row[]) {
    const key = [row.n_threads, row.n_depth, row.n_prompt, row.n_gen].join()
    if (!first.has(peer)) first.set(peer, row)
    if (!tests.has(key)) tests.set(key, row)
    peer.rates.set(key, [...(peer.rates.get(key) ?? []), ...row.samples_ts])
  }
}

function print(): void {
  const [native, ...crias] = peers as [Peer, ...Peer[]]
  const titles = ['threads', 'test', native.name, ...crias.flatMap(({ name }) => [name, 'ratio'])]
  const { build_commit: commit } = first.get(native)!
  const backends = crias.map((peer) => `${peer.name}: ${first.get(peer)!.backends}`)
  console.log(`${first.get(crias[0]!)!.model_type}, KV cache ${kv}, tokens per second: median (least–most)\n`)
  console.log(`${cpus()[0]?.model}, ${cpus().length} processors; llama.cpp ${commit}; ${backends.join('; ')}\n`)
  console.log(`| ${titles.join(' | ')} |\n|---:|---|${titles.slice(2).fill('---:|').join('')}`)
  for (const [key, { n_threads, n_prompt, n_gen, n_depth }] of tests) {
    const name = (n_prompt > 0 ? `pp${n_prompt}` : `tg${n_gen}`) + (n_depth > 0 ? ` @ d${n_depth}` : '')
    const reference = native.rates.get(key) ?? []
    const cells = crias.flatMap(({ rates }) => {
      const own = rates.get(key) ?? []
      return [spread(own), (median(own) / median(reference)).toFixed(2)]
    })
    console.log(`| ${[n_threads, name, spread(reference), ...cells].join(' | ')} |`)
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function spread(values: readonly number[]): string {
  return `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)})`
}
