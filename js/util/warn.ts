/** Where warnings go. */
import type { CriaWarning } from '../api/types.ts'

/** The caller's own function, or the console. */
export function warnBy(onWarning: ((warning: CriaWarning) => void) | undefined): (warning: CriaWarning) => void {
  return onWarning ?? ((warning) => console.warn(`cria: ${warning.message}`))
}
