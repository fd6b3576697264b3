/** Checks what users give to `load`, and settles its defaults. */
import type { KvType, LoadOptions } from './api.ts'
import { ArgumentError, UnsupportedError } from './errors.ts'

export const DEFAULT_BATCH = 64
const MOST_THREADS = 64
const AUTO_THREADS = 16
/** Larger batches gain nothing and cost memory. */
const MOST_BATCH = 512

/** A whole number in a range, or the fallback where it is undefined. */
export function whole(name: string, value: unknown, least: number, most: number, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new ArgumentError(
    'INVALID_OPTION',
    `${name} must be a whole number from ${least} to ${most}, not ${String(value)}.`,
    value,
  )
}

/** One of a few words. */
export function oneOf<T extends string>(name: string, value: unknown, words: readonly T[], fallback: T): T {
  if (value === undefined) return fallback
  if (words.includes(value as T)) return value as T
  throw new ArgumentError('INVALID_OPTION', `${name} must be ${words.join(' or ')}, not ${String(value)}.`, value)
}

export interface Settled {
  threads: number
  /** 0: as the model has it. */
  context: number
  kv: KvType
  batch: number
  isa: 'simd' | 'relaxed'
  shared: boolean
  inProcess: boolean
  maxSegmentBytes?: number
}

/** Far beyond any model; the file and the memory set the real limits. */
export const MOST_CONTEXT = 16_777_216

// (func (param v128 v128) (result v128) i16x8.relaxed_dot_i8x16_i7x16_s), and the same with i16x8.add.
const RELAXED = '0061736d01000000010701 60027b7b017b03020100 0a0b010900 20002001 fd9202 0b'
const SIMD = '0061736d01000000010701 60027b7b017b03020100 0a0b010900 20002001 fd8e01 0b'

function validates(hex: string): boolean {
  const bytes = hex.replaceAll(' ', '').match(/../g)!
  return WebAssembly.validate(Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 16)))
}

/**
 * @throws ArgumentError for a malformed option; UnsupportedError where the engine lacks SIMD, or lacks what was asked for.
 */
export function settle(options: LoadOptions, cores: number, canShare: boolean): Settled {
  const inProcess = options.inProcess === true
  const shared = canShare && !inProcess
  const threads = settleThreads(options.threads, cores, shared, inProcess)
  const { maxSegmentBytes } = options
  return {
    threads,
    context: whole('context', options.context, 1, MOST_CONTEXT, 0),
    kv: oneOf('kv', options.kv, ['f32', 'f16'], 'f16'),
    batch: whole('batch', options.batch, 1, MOST_BATCH, DEFAULT_BATCH),
    isa: settleIsa(options.isa),
    shared,
    inProcess,
    ...(maxSegmentBytes !== undefined && {
      maxSegmentBytes: whole('maxSegmentBytes', maxSegmentBytes, 65536, 4_294_967_296, 0),
    }),
  }
}

function settleThreads(asked: unknown, cores: number, shared: boolean, inProcess: boolean): number {
  if (asked === undefined || asked === 'auto') return shared ? Math.min(cores, AUTO_THREADS) : 1
  const threads = whole('threads', asked, 1, MOST_THREADS, 1)
  if (threads === 1 || shared) return threads
  const why = inProcess
    ? 'the model runs in process (inProcess)'
    : 'this page or runtime cannot share memory: a page needs the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
  throw new UnsupportedError(
    'NO_SHARED_MEMORY',
    `${threads} threads need shared memory, but ${why}. Use threads: 1 or 'auto'.`,
    threads,
  )
}

function settleIsa(asked: unknown): 'simd' | 'relaxed' {
  const isa = oneOf('isa', asked, ['auto', 'simd', 'relaxed'], 'auto')
  if (!validates(SIMD)) {
    throw new UnsupportedError('NO_SIMD', 'This engine has no WebAssembly SIMD; use one from 2021 or later.')
  }
  if (isa === 'simd') return 'simd'
  if (validates(RELAXED)) return 'relaxed'
  if (isa === 'auto') return 'simd'
  throw new UnsupportedError('NO_RELAXED_SIMD', 'This engine has no relaxed SIMD; use isa: auto or simd.', asked)
}
