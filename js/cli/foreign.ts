/** Flags of llama.cpp's that cria knows by name alone: those that change nothing here, and those that it refuses. */

export interface ForeignFlag {
  readonly names: readonly string[]
  /** How many values follow it. */
  readonly values: number
  /** A value follows only if it is one of these: of `-fa`, older releases have a switch. */
  readonly optional?: readonly string[]
  /** llama.cpp's environment variable for it. */
  readonly env?: string
  /** What is so instead, for docs: `cria has threads of its own`. */
  readonly reason: string
  /** Refused: its reason goes into the message. */
  readonly refused: boolean
  /** Of a flag that is refused, values that ask for nothing. */
  readonly nothing?: readonly string[]
}

/** `names`, then `:1` or `:2` where values follow, then `=VARIABLE`: `-ngl --gpu-layers:1=LLAMA_ARG_N_GPU_LAYERS`. */
function readRow(row: string): Pick<ForeignFlag, 'names' | 'values' | 'env'> {
  const [, names, values = '0', env] = /^([^:=]+)(?::(\d))?(?:=(\w+))?$/.exec(row)!
  return { names: names!.split(' '), values: Number(values), ...(env !== undefined && { env }) }
}

/** Flags that change nothing here, for one reason. */
export function neutral(reason: string, ...rows: string[]): ForeignFlag[] {
  return rows.map((row) => ({ ...readRow(row), reason, refused: false }))
}

/** Flags that would change results; the reason says what to do instead. */
export function refused(reason: string, ...rows: string[]): ForeignFlag[] {
  return rows.map((row) => ({ ...readRow(row), reason, refused: true }))
}

/** As refused, but for values that ask for nothing. */
export function refusedBut(nothing: readonly string[], reason: string, ...rows: string[]): ForeignFlag[] {
  return refused(reason, ...rows).map((flag) => ({ ...flag, nothing }))
}

/** Whether the flag asks for nothing with these values. */
export function asksForNothing({ nothing = [] }: ForeignFlag, values: readonly string[]): boolean {
  if (values.length === 0) return false
  return values.every((value) => nothing.some((one) => one === value || (one !== '' && Number(one) === Number(value))))
}
