/** The engine, for models that run in the calling thread. */

import { UnsupportedError } from '../js/errors.ts'
import { provideLate } from './late-grammars.ts'
import type { LeaderModel } from './leader-model.ts'

let provided: typeof LeaderModel | undefined

/** Puts the engine at hand from the start, where nothing can be imported later on (service workers). */
export function provideLeader(leader: typeof LeaderModel): void {
  provided = leader
}

/** Imports the engine when it is first needed: most models run in workers, which have it. */
export async function inProcessLeader(): Promise<typeof LeaderModel> {
  if (provided) return provided
  provideLate()
  try {
    return (await import('./leader-model.ts')).LeaderModel
  } catch (cause) {
    const message = `The engine could not be imported (${String(cause)}); import cria/edge or cria/inline in place of cria.`
    throw new UnsupportedError('NO_ENGINE', message, undefined, { cause })
  }
}
