/** Where warnings go. */

/** Something the caller should know but need not stop for. */
export interface CriaWarning {
  code: string
  message: string
}

/** The caller's own function, or the console. */
export function warnBy(onWarning: ((warning: CriaWarning) => void) | undefined): (warning: CriaWarning) => void {
  return onWarning ?? ((warning) => console.warn(`cria: ${warning.message}`))
}
