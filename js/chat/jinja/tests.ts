/** What stands after `is`. */
import { binary } from './arithmetic.ts'
import type { Table } from './call.ts'
import { isSequence } from './objects.ts'
import { equal, relation, str } from './operations.ts'
import { isLower, isUpper } from './strings.ts'
import { Dict, Float, Fn, iteratorOf, Markup, textOf, typeName, Undefined, type Value } from './values.ts'

const restIs = (value: Value, by: Value, rest: number) => equal(binary('%', value, by), rest)
const related = (op: string) => ['value other', (value: Value, other?: Value) => relation(op, value, other!)] as const
const is = (fits: (value: Value) => boolean) => ['value', fits] as const

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
export const TESTS: Table<[Value]> = {
  ...Object.fromEntries(
    Object.entries(COMPARISONS).flatMap(([names, op]) => names.split(' ').map((name) => [name, related(op)])),
  ),
  boolean: is((value) => typeof value === 'boolean'),
  callable: is((value) => value instanceof Fn || value instanceof Undefined),
  defined: is((value) => !(value instanceof Undefined)),
  divisibleby: ['value num', (value, by) => restIs(value, by!, 0)],
  escaped: is((value) => value instanceof Markup),
  even: is((value) => restIs(value, 2, 0)),
  false: is((value) => value === false),
  float: is((value) => value instanceof Float),
  integer: is((value) => typeName(value) === 'int'),
  iterable: is((value) => iteratorOf(value) !== undefined),
  lower: is((value) => isLower(str(value))),
  mapping: is((value) => value instanceof Dict),
  none: is((value) => value === null),
  number: is((value) => ['int', 'float', 'bool'].includes(typeName(value))),
  odd: is((value) => restIs(value, 2, 1)),
  sameas: ['value other', (value, other) => value === other],
  sequence: is((value) => isSequence(value) || value instanceof Undefined),
  string: is((value) => textOf(value) !== undefined),
  true: is((value) => value === true),
  undefined: is((value) => value instanceof Undefined),
  upper: is((value) => isUpper(str(value))),
}
