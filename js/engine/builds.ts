/**
 * Which build runs where the engine has both: the one that was faster in a trial of a few milliseconds, on the kernels of
 * the type that holds most of the model's weights. Both give the same bits.
 */
import { ALTERNATE } from '../../assembly/layout.ts'
import { WEIGHT_TYPES } from '../models/weight-types.ts'
import type { Platform } from '../platform/types.ts'
import { openProbe, type Probe } from './probe.ts'
import { compileBuild, type Isa, type IsaReason, type Modules } from './wasm-build.ts'

/** Bytes of a model beside which those of a second build are nothing: a five-hundredth, where it must be downloaded. */
const WORTH_A_DOWNLOAD = 16 * 1024 * 1024
/** Milliseconds of calls before the clock counts: engines begin with code that is compiled in a hurry. */
const WARM_MS = 20
/** A sample is a conversation in small: a prompt with four times the tokens of its answer, as llama-bench takes 512 and 128. */
const PROMPT = 32
const ANSWER = 8
const REPEATS = 100
/** Rounds, each with a sample of every kernel in turn; fewer, but LEAST_ROUNDS, once ROUNDS_MS are over. */
const ROUNDS = 7
const LEAST_ROUNDS = 3
const ROUNDS_MS = 20
/** Milliseconds below which a sample is noise: some clocks tick once in one. */
const LEAST_MS = 0.1
/** What simd must win by: less may be chance. */
const MARGIN = 0.9

export interface BuildOptions {
  /** As options resolve it; without a reason both builds run, and a trial decides. */
  isa: Isa
  isaReason?: IsaReason
  shared: boolean
  /** Builds that are compiled already. */
  wasm?: Modules
  /** What earlier trials found, by type. */
  found: Readonly<Record<string, Isa>>
}

export interface Build {
  isa: Isa
  isaReason: IsaReason
  module: WebAssembly.Module
}

/**
 * @param type ggml's name of the type that holds most weights
 * @param fileBytes of the model
 * @param files the platform's wasm files
 * @throws SourceError where the build cannot be read
 */
export async function chooseBuild(
  type: string,
  fileBytes: number,
  options: BuildOptions,
  files: Pick<Platform, 'wasm' | 'hasBuilds'>,
): Promise<Build> {
  const { isa, isaReason, shared, wasm, found } = options
  const get = async (isa: Isa): Promise<WebAssembly.Module> =>
    wasm?.[isa] ?? (await compileBuild(await files.wasm(isa), shared))
  if (isaReason) return { isa, isaReason, module: await get(isa) }
  const known = found[type]
  if (known) return { isa: known, isaReason: 'measured', module: await get(known) }
  const both = wasm?.simd || files.hasBuilds() || fileBytes >= WORTH_A_DOWNLOAD
  // A trial that cannot be made is no reason to fail.
  const [relaxed, simd] = await Promise.all([get('relaxed'), both ? get('simd').catch(() => undefined) : undefined])
  if (!simd) return { isa: 'relaxed', isaReason: 'untried', module: relaxed }
  const probes = { relaxed: openProbe(relaxed, shared), simd: openProbe(simd, shared) }
  const faster = fasterBuild(type, probes)
  return { isa: faster, isaReason: 'measured', module: faster === 'simd' ? simd : relaxed }
}

/** The build whose kernels of a type are faster; relaxed unless simd is so beyond doubt. */
export function fasterBuild(type: string, probes: Record<Isa, Probe>, clock = (): number => performance.now()): Isa {
  const format = WEIGHT_TYPES.get(type)
  if (!format) return 'relaxed'
  const { id } = format
  const kernels = [
    { probe: probes.relaxed, id },
    { probe: probes.simd, id },
  ]
  // Of its two kernels the relaxed build will take the faster.
  if (format.alternate && probes.relaxed.exact(id, format)) kernels.push({ probe: probes.relaxed, id: id | ALTERNATE })
  for (const { probe } of kernels) probe.put(id, format, PROMPT)
  const samples = timeRounds(kernels, clock)
  const [relaxed, simd, alternate = Infinity] = samples.map(median)
  const best = Math.min(relaxed!, alternate)
  return simd! >= LEAST_MS && simd! < MARGIN * best ? 'simd' : 'relaxed'
}

interface Kernel {
  probe: Probe
  id: number
}

/** Milliseconds of each kernel's samples, in rounds, so that what else the machine does meets all alike. */
function timeRounds(kernels: readonly Kernel[], clock: () => number): number[][] {
  const start = clock()
  while (clock() - start < WARM_MS) for (const kernel of kernels) converse(kernel, 1)
  const samples = kernels.map((): number[] => [])
  const begun = clock()
  for (let round = 0; round < ROUNDS; round++) {
    if (round >= LEAST_ROUNDS && clock() - begun > ROUNDS_MS) break
    for (const [i, kernel] of kernels.entries()) {
      const before = clock()
      converse(kernel, REPEATS)
      samples[i]!.push(clock() - before)
    }
  }
  return samples
}

function converse({ probe, id }: Kernel, repeats: number): void {
  for (let repeat = 0; repeat < repeats; repeat++) {
    probe.call(id, PROMPT)
    for (let token = 0; token < ANSWER; token++) probe.call(id, 1)
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!
}
