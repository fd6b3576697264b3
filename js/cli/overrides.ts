/** `--override-kv KEY=TYPE:VALUE`. */
import type { Overrides } from '../gguf/overrides.ts'
import { UsageError } from './flags.ts'

export interface TypedOverride {
  key: string
  /** The type that llama-quantize writes. */
  type: 'uint32' | 'float32' | 'bool' | 'string'
  value: number | boolean | string
}

interface Kind {
  type: TypedOverride['type']
  /** What VALUE must look like. */
  form: RegExp
  read(text: string): TypedOverride['value']
}

/** llama.cpp takes 127 bytes of a key, and of a text. */
const KINDS: Readonly<Record<string, Kind>> = {
  int: { type: 'uint32', form: /^-?\d{1,10}$/, read: Number },
  float: { type: 'float32', form: /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i, read: Number },
  bool: { type: 'bool', form: /^(true|false)$/, read: (text) => text === 'true' },
  str: { type: 'string', form: /^.{0,127}$/s, read: (text) => text },
}

/** `KEY=TYPE:VALUE`. */
export function readOverride(given: string, name: string): TypedOverride {
  const [, key = '', word = '', text = ''] = /^([^=]{1,127})=(\w+):(.*)$/s.exec(given) ?? []
  const kind = Object.hasOwn(KINDS, word) ? KINDS[word]! : undefined
  if (kind?.form.test(text)) return { key, type: kind.type, value: kind.read(text) }
  throw new UsageError(
    `${name} takes KEY=TYPE:VALUE, TYPE being int, float, bool or str, not ${JSON.stringify(given)}.`,
  )
}

/** Several, separated by commas; one in double quotes may hold them, and `""` for a quote. */
export function readOverrides(given: string, name: string): TypedOverride[] {
  return csv(given).map((item) => readOverride(item, name))
}

/** Fields of a line of comma-separated values, as llama.cpp cuts them. */
export function csv(line: string): string[] {
  const fields = line.match(/(?<=^|,)("(?:[^"]|"")*"|[^,]*)(?=,|$)/g) ?? []
  return fields.map((field) => (/^".*"$/s.test(field) ? field.slice(1, -1).replaceAll('""', '"') : field))
}

/** As `load` takes them; the last one of a key counts. */
export function overridesOf(typed: readonly (readonly TypedOverride[])[] | undefined): Overrides | undefined {
  return typed && Object.fromEntries(typed.flat().map(({ key, value }) => [key, value]))
}
