/** What this runtime offers, and what `load` makes of it. */
import * as platform from '#platform'
import { type Isa, measured } from '../engine/wasm-build.ts'

export interface Capabilities {
  /** For people to read: what the runtime says of itself. The version is empty where it does not tell. */
  runtime: { name: string; version: string }
  /** WebAssembly SIMD: cria needs it. */
  simd: boolean
  /** Relaxed SIMD: a faster build, which gives the same bits. */
  relaxed: boolean
  /** Whether memory can be shared with workers: what more than one thread needs. */
  sharedMemory: boolean
  /** Of a page or a web worker; undefined where there is no such thing. */
  crossOriginIsolated: boolean | undefined
  /** Whether there are workers; else models run in the calling thread. */
  workers: boolean
  /** Logical processors. */
  cores: number
  /** What `threads: 'auto'` takes. */
  threads: number
  /** Most bytes of one WebAssembly memory that the engine would reserve, 0 where it gives none; a model may have several. */
  maxMemory: number
  /** What `isa: 'auto'` takes, unless a trial finds the other faster; undefined where nothing runs. */
  isa: Isa | undefined
  /** Which build trials at `load` found faster so far, by the type that most of a model's weights are of. */
  measured: Readonly<Record<string, Isa>>
  /** In a sentence: which build runs on how many threads, and why. */
  why: string
}

/** Of a runtime, what options are resolved by. @internal */
export interface RuntimeSupport {
  cores: number
  canShare: boolean
  canSpawn: boolean
}

const AUTO_THREADS = 16
const PAGE = 65536
/** Maxima of a memory to try, in pages. */
const PAGES = [65536, 49152, 32768, 16384, 8192, 4096, 2048, 1024]

// (func (param v128 v128) (result v128) i16x8.relaxed_dot_i8x16_i7x16_s), and the same with i16x8.add.
const RELAXED = '0061736d01000000010701 60027b7b017b03020100 0a0b010900 20002001 fd9202 0b'
const SIMD = '0061736d01000000010701 60027b7b017b03020100 0a0b010900 20002001 fd8e01 0b'

function validates(hex: string): boolean {
  const bytes = hex.replaceAll(' ', '').match(/../g)!
  return WebAssembly.validate(Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16)))
}

/** @internal */
export function hasSimd(): boolean {
  return attempt(() => validates(SIMD), false)
}

/** @internal */
export function hasRelaxedSimd(): boolean {
  return attempt(() => validates(RELAXED), false)
}

/** @internal */
export function runtimeSupport(): RuntimeSupport {
  return { cores: platform.cores(), canShare: platform.canShare(), canSpawn: platform.canSpawn() }
}

/** Threads where nobody asks for a number. @internal */
export function autoThreads(cores: number, shared: boolean): number {
  return shared ? Math.min(cores, AUTO_THREADS) : 1
}

/** Why there can be no more than one thread, as half a sentence; undefined where there can. @internal */
export function whyOneThread({ canShare, canSpawn }: RuntimeSupport): string | undefined {
  if (!canSpawn) return 'this runtime has no workers'
  if (canShare) return undefined
  return 'this page or runtime cannot share memory: a page needs the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
}

/** What this runtime offers, and what `load` would choose of it where no option says otherwise. Never throws. */
export function capabilities(): Capabilities {
  const here = attempt(runtimeSupport, { cores: 1, canShare: false, canSpawn: false })
  const [simd, relaxed] = [hasSimd(), hasRelaxedSimd()]
  const sharedMemory = here.canShare && here.canSpawn
  const threads = autoThreads(here.cores, sharedMemory)
  const isa = relaxed ? 'relaxed' : simd ? 'simd' : undefined
  const { crossOriginIsolated } = globalThis as { crossOriginIsolated?: unknown }
  return {
    runtime: attempt(platform.runtime, { name: 'unknown', version: '' }),
    simd,
    relaxed,
    sharedMemory,
    crossOriginIsolated: typeof crossOriginIsolated === 'boolean' ? crossOriginIsolated : undefined,
    workers: here.canSpawn,
    cores: here.cores,
    threads,
    maxMemory: maxMemory(),
    isa,
    measured: { ...measured },
    why: `${whyIsa(isa, here.canSpawn)}; ${whyThreads(threads, here)}.`,
  }
}

function whyIsa(isa: Capabilities['isa'], workers: boolean): string {
  if (isa === 'relaxed') {
    const slow = Object.keys(measured).filter((type) => measured[type] === 'simd')
    const found = slow.length > 0 ? ` (so for ${slow.join(', ')})` : ''
    const unless = workers ? `, unless a trial at load finds the simd build faster${found}` : ''
    return `The relaxed build runs, as this engine has relaxed SIMD${unless}`
  }
  if (isa === 'simd') return 'The simd build runs, as this engine has no relaxed SIMD'
  return 'No build runs, as this engine has no WebAssembly SIMD or compiles none from bytes (then pass load a module: wasm)'
}

function whyThreads(threads: number, here: RuntimeSupport): string {
  const why = whyOneThread(here)
  if (why !== undefined) return `one thread, as ${why}`
  if (here.cores > threads) return `${threads} threads, the most that are taken by themselves, on ${here.cores} cores`
  return threads === 1 ? 'one thread, as there is one core' : `${threads} threads, one for each core`
}

function maxMemory(): number {
  const pages = PAGES.find((maximum) => attempt(() => new WebAssembly.Memory({ initial: 0, maximum }) && true, false))
  return (pages ?? 0) * PAGE
}

function attempt<T>(run: () => T, fallback: T): T {
  try {
    return run()
  } catch {
    return fallback
  }
}
