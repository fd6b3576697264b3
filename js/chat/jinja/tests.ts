/** What stands after `is`. */
import { binary } from './arithmetic.ts'
import type { Table } from './call.ts'
import { numeric } from './numbers.ts'
import { equal, relation, str } from './operations.ts'
import { isLower, isUpper } from './strings.ts'
import {
  Dict,
  Float,
  Fn,
  iteratorOf,
  Markup,
  partsOf,
  textOf,
  typeName,
  Undefined,
  type Value,
  View,
} from './values.ts'

const restIs = (value: Value, by: Value, rest: number) => equal(binary('%', value, by), rest)
const related = (op: string) => ['other', (value: Value, other: Value) => relation(op, value, other)] as const

const COMPARISONS: Readonly<Record<string, string>> = {
  '== eq equalto': '==',
  '!= ne': '!=',
  '> gt greaterthan': '>',
  '>= ge': '>=',
  '< lt lessthan': '<',
  '<= le': '<=',
  in: 'in',
}

/** By name; a test for names of filters and of tests comes with those (see filters.ts). */
export const TESTS: Table<Value> = {
  ...Object.fromEntries(
    Object.entries(COMPARISONS).flatMap(([names, op]) => names.split(' ').map((name) => [name, related(op)])),
  ),
  boolean: (value) => typeof value === 'boolean',
  callable: (value) => value instanceof Fn || value instanceof Undefined,
  defined: (value) => !(value instanceof Undefined),
  divisibleby: ['num', (value, by: Value) => restIs(value, by, 0)],
  escaped: (value) => value instanceof Markup,
  even: (value) => restIs(value, 2, 0),
  false: (value) => value === false,
  float: (value) => value instanceof Float,
  integer: (value) => typeName(value) === 'int',
  iterable: (value) => iteratorOf(value) !== undefined,
  lower: (value) => isLower(str(value)),
  mapping: (value) => value instanceof Dict,
  none: (value) => value === null,
  number: (value) => numeric(value) !== undefined,
  odd: (value) => restIs(value, 2, 1),
  sameas: ['other', (value, other: Value) => value === other],
  sequence: (value) => value instanceof Dict || (partsOf(value) !== undefined && !(value instanceof View)),
  string: (value) => textOf(value) !== undefined,
  true: (value) => value === true,
  undefined: (value) => value instanceof Undefined,
  upper: (value) => isUpper(str(value)),
}
