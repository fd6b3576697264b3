/** Where warnings go. */

/** Something the caller should know but need not stop for. */
export interface CriaWarning {
  code: string
  message: string
}

export type Warn = (warning: CriaWarning) => void

/** The caller's own function, or the console. */
export function warnBy(onWarning: Warn | undefined): Warn {
  return onWarning ?? ((warning) => console.warn(`cria: ${warning.message}`))
}
