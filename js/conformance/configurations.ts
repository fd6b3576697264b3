/** The configurations in which a runtime computes the same. */
import type { ModelInput } from '../source/types.ts'
import type { Configuration, Cria, Variants } from './types.ts'

/** Of stories260K. */
export const TOKENS = 200
const THREADS = [1, 2, 3, 4]
const PIECES = [1, 7, 64, TOKENS]

/** Tries what not every engine has. What it lacks is an UnsupportedError, whose code says what. */
export async function findVariants(cria: Cria, model: ModelInput): Promise<Variants> {
  const missing: Record<string, string> = {}
  const has = async (what: string, configuration: Configuration): Promise<boolean> => {
    try {
      await (await cria.load(model, { context: 8, ...configuration })).close()
      return true
    } catch (error) {
      const { name, code } = error as { name: string; code?: string }
      if (name !== 'UnsupportedError' || code === undefined) throw error
      missing[what] = code.toLowerCase().replaceAll('_', ' ')
      return false
    }
  }
  const isas = (['simd', 'relaxed'] as const).map(async (isa) => ((await has(isa, { isa, threads: 1 })) ? [isa] : []))
  const found = (await Promise.all(isas)).flat()
  const [isa] = found
  const threads = isa && (await has('threads', { isa, threads: 2 })) ? THREADS : [1]
  return { isas: found, threads, missing }
}

/** Every build with every number of threads and every size of a prompt's pieces, and in process. */
export function allConfigurations({ isas, threads }: Variants): Configuration[] {
  return isas.flatMap((isa) => [
    ...threads.flatMap((count) => PIECES.map((batch) => ({ isa, threads: count, batch }))),
    { isa, inProcess: true },
  ])
}

/** Each build twice: with few threads and small pieces, and with many of both. */
export function someConfigurations({ isas, threads }: Variants): Configuration[] {
  return isas.flatMap((isa) => [
    { isa, threads: threads.at(0)!, batch: 7 },
    { isa, threads: threads.at(-1)!, batch: 64 },
  ])
}
