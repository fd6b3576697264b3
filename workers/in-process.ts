/** The engine, for models that run in the calling thread. */

import { UnsupportedError } from '../js/errors.ts'
import type { Leader } from './leader-model.ts'

let provided: typeof Leader | undefined

/** Has the engine at hand from the start, where nothing can be imported later on (service workers). */
export function provideLeader(leader: typeof Leader): void {
  provided = leader
}

/** Imported when first needed: most models run in workers, which have it. */
export async function localLeader(): Promise<typeof Leader> {
  if (provided) return provided
  try {
    return (await import('./leader-model.ts')).Leader
  } catch (cause) {
    const message = `The engine could not be imported (${String(cause)}); import cria/edge or cria/inline in place of cria.`
    throw new UnsupportedError('NO_ENGINE', message, undefined, { cause })
  }
}
