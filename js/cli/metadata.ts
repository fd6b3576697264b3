/** Metadata values for tables and JSON: short unless asked for in full, and never able to steer a terminal. */
import type { MetadataArray, MetadataValue } from '../gguf/types.ts'
import { printable } from './terminal.ts'

/** Characters of a text, and items of an array, that are shown unless all are wanted. */
const TEXT_MOST = 72
const ITEMS_MOST = 5

/** What a value is, for a column: `string`, `float32[512]` … */
export function kindOf(value: MetadataValue): string {
  if (typeof value !== 'object') return typeof value
  if (!Array.isArray(value)) return `${elementKind(value)}[${value.length}]`
  return `${value.length > 0 && typeof value[0] === 'string' ? 'string' : 'array'}[${value.length}]`
}

/** `Float32Array` → `float32`. */
function elementKind(array: object): string {
  return array.constructor.name
    .replace(/Array$/, '')
    .replace(/^Big/, '')
    .toLowerCase()
}

/** One line of text. */
export function abbreviate(value: MetadataValue, full: boolean): string {
  if (typeof value === 'string') return printable(full ? value : short(value))
  if (typeof value !== 'object') return scalar(value)
  const count = full ? value.length : Math.min(value.length, ITEMS_MOST)
  const items = Array.from({ length: count }, (_, i) => item(value, i, full))
  if (count < value.length) items.push(`… ${value.length - count} more`)
  return `[${items.join(', ')}]`
}

function item(array: MetadataArray, index: number, full: boolean): string {
  const value = array[index]!
  if (typeof value === 'string') return `"${printable(full ? value : short(value))}"`
  return typeof value === 'object' ? abbreviate(value, full) : scalar(value)
}

/** A float32 with the digits that tell it from its neighbours: 1e-5 rather than 0.000009999999747378752. */
function scalar(value: number | bigint | boolean): string {
  if (typeof value !== 'number' || Number.isInteger(value) || Math.fround(value) !== value) return String(value)
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits))
    if (Math.fround(shorter) === value) return String(shorter)
  }
  return String(value)
}

function short(text: string): string {
  return text.length <= TEXT_MOST ? text : `${text.slice(0, TEXT_MOST)}… (${text.length} characters)`
}

/**
 * A value that JSON can hold: bigints as numbers where they are safe integers, else as text, as are NaN and infinities.
 * Long arrays become `{kind, length, first}` unless all is wanted.
 */
export function plain(value: MetadataValue, full: boolean): unknown {
  if (typeof value !== 'object') return plainScalar(value)
  if (!full && value.length > ITEMS_MOST * 2) {
    return { kind: kindOf(value), length: value.length, first: plainItems(value, ITEMS_MOST, full) }
  }
  return plainItems(value, value.length, full)
}

function plainItems(array: MetadataArray, count: number, full: boolean): unknown[] {
  return Array.from({ length: count }, (_, i) => plain(array[i]!, full))
}

function plainScalar(value: number | bigint | boolean | string): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value !== 'bigint') return value
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : String(value)
}
