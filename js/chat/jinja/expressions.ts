/**
 * Reads expressions, by Jinja's grammar, into functions of a scope. Filters bind tighter than any operator, `~` tighter
 * than `+`.
 */
import { binary, signed } from './arithmetic.ts'
import { run, type Table } from './call.ts'
import { ALL_TESTS, FILTERS } from './filters.ts'
import { Namespace } from './globals.ts'
import { getAttribute, getItem } from './objects.ts'
import { relation, sliced } from './operations.ts'
import {
  current,
  expect,
  is,
  isAhead,
  mention,
  nested,
  next,
  readListed,
  readName,
  skip,
  token,
  unexpected,
} from './reader.ts'
import type { Scope } from './scope.ts'
import {
  Dict,
  dictIn,
  Fn,
  fail,
  isTrue,
  JinjaError,
  type Kwargs,
  listOf,
  missingName,
  now,
  orElse,
  Tuple,
  textOf,
  Undefined,
  unfit,
  type Value,
} from './values.ts'

/** `more`: further arguments, for a call. */
export type Evaluate = (scope: Scope, more?: Kwargs) => Value
type Arguments = (scope: Scope) => [args: Value[], kwargs: Kwargs]
/** Adds what an argument stands for. */
type Argument = (scope: Scope, args: Value[], kwargs: Kwargs) => void
type Comparison = [op: string, right: Evaluate, line: number]
/** What is assigned to, and the names that it sets. */
export interface Target {
  names: string[]
  assign(scope: Scope, value: Value): undefined
}

const CONSTANTS: Readonly<Record<string, Value>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
}
/** Operators of two operands, those that bind loosest first. */
const LEVELS: readonly (readonly string[])[] = [
  ['or'],
  ['and'],
  // Before one operand.
  [],
  ['==', '!=', '<', '<=', '>', '>=', 'in', 'not'],
  ['+', '-'],
  ['~'],
  ['*', '/', '//', '%'],
  ['**'],
]
const [NOT, COMPARE] = [2, 3]

/** An operation of at most four operands that may fail, after them. */
function lined(
  line: number,
  operands: readonly [Evaluate, ...Evaluate[]],
  run: (a: Value, b: Value, c: Value, d?: Value) => Value,
): Evaluate {
  const [first, second, third, fourth] = operands
  return (scope) => {
    const [a, b, c, d] = [first(scope), second?.(scope), third?.(scope), fourth?.(scope)]
    now.line = line
    return run(a, b!, c!, d)
  }
}

const constant = (value: Value) => () => value

function tupled(items: readonly Evaluate[]): Evaluate {
  return (scope) => new Tuple(items.map((item) => item(scope)))
}

/** Targets that share out the items of a value. */
function unpacked(targets: readonly Target[]): Target {
  return {
    names: targets.flatMap(({ names }) => names),
    assign(scope, value) {
      const values = listOf(value)
      if (values.length !== targets.length) fail(`expected ${targets.length} values to unpack, got ${values.length}`)
      for (const [i, target] of targets.entries()) target.assign(scope, values[i]!)
      return undefined
    },
  }
}

function compared(first: Evaluate, comparisons: readonly Comparison[]): Evaluate {
  return (scope) => {
    let left = first(scope)
    for (const [op, operand, line] of comparisons) {
      const right = operand(scope)
      now.line = line
      if (!relation(op, left, right)) return false
      left = right
    }
    return true
  }
}

function logical(op: string, left: Evaluate, right: Evaluate): Evaluate {
  return (scope) => {
    const value = left(scope)
    return isTrue(value) === (op === 'or') ? value : right(scope)
  }
}

/** The call that was read last. */
let lastCall: Evaluate | undefined

function load(name: string): Evaluate {
  mention(name, 'load')
  return (scope) => orElse(scope.get(name), () => missingName(name))
}

/** Whether a call is all that was read last. */
export const isCall = (value: Evaluate) => value === lastCall

/** `choices`: whether it may go on with `if`. */
export function readExpression(choices = true): Evaluate {
  return nested(() => (choices ? readChoice() : readOperation()))
}

function readChoice(): Evaluate {
  const { unknown } = current
  let value = readOperation()
  for (let { line } = token(); skip('if'); line = token().line) {
    const [yes, test] = [value, readOperation()]
    const reason = `the if on line ${line} was false and has no else`
    const no = skip('else') ? readExpression() : () => new Undefined(reason)
    value = (scope) => (isTrue(test(scope)) ? yes : no)(scope)
    current.unknown = unknown
  }
  return value
}

/** Operators that bind at least as tightly as those of a level. */
function readOperation(level = 0): Evaluate {
  if (level === LEVELS.length) return readUnary()
  if (level === NOT && skip('not')) {
    const value = nested(() => readOperation(NOT))
    return (scope) => !isTrue(value(scope))
  }
  let left = readOperation(level + 1)
  const comparisons: Comparison[] = []
  for (;;) {
    const { line } = token()
    const op = readOperator(LEVELS[level]!)
    if (op === undefined) break
    const right = readOperation(level + 1)
    if (level < NOT) left = logical(op, left, right)
    else if (level === COMPARE) comparisons.push([op, right, line])
    else left = lined(line, [left, right], (a, b) => binary(op, a, b))
  }
  return comparisons.length > 0 ? compared(left, comparisons) : left
}

function readOperator(ops: readonly string[]): string | undefined {
  if (!is(...ops) || (is('not') && !isAhead('in'))) return undefined
  const op = next().value as string
  return op === 'not' ? `not ${next().value}` : op
}

function readUnary(filters = true): Evaluate {
  const { line } = token()
  if (!is('-', '+')) return readSuffixes(readPrimary(), filters)
  const op = next().value as string
  const operand = nested(() => readUnary(false))
  return readSuffixes(
    lined(line, [operand], (value) => signed(op, value)),
    filters,
  )
}

function readPrimary(): Evaluate {
  const { type, line } = token()
  if (type === 'name') {
    const name = readName()
    return Object.hasOwn(CONSTANTS, name) ? constant(CONSTANTS[name]!) : load(name)
  }
  if (type === 'number') return constant(next().value)
  if (type === 'string') {
    let text = ''
    while (token().type === 'string') text += next().value
    return constant(text)
  }
  if (skip('(')) {
    const inner = readTuple(true, ')', true)
    expect(')')
    return inner
  }
  if (skip('[')) {
    const items = readListed(']', () => readExpression())
    return (scope) => items.map((item) => item(scope))
  }
  if (!skip('{')) return unexpected('an expression')
  const pairs = readListed('}', () => {
    const key = readExpression()
    expect(':')
    return [key, readExpression()] as const
  })
  return (scope) => {
    now.line = line
    return new Dict(pairs.map(([key, item]) => [key(scope), item(scope)] as const))
  }
}

/** An expression, or several with commas between: a tuple. `until`: a word that ends it. */
export function readTuple(choices = true, until = ')', parenthesized = false): Evaluate {
  return readSeveral(() => readExpression(choices), tupled, parenthesized, until)
}

function readSeveral<T>(one: () => T, all: (items: T[]) => T, parenthesized: boolean, until: string): T {
  const items: T[] = []
  let commas = 0
  while (!is('}}', '%}', ')', until)) {
    items.push(one())
    if (!skip(',')) break
    commas++
  }
  if (commas === 0 && items.length > 0) return items[0]!
  return commas > 0 || parenthesized ? all(items) : unexpected('an expression')
}

/** What is assigned to: names, tuples of them, and with `members` attributes of namespaces. */
export function readTarget(members = false, until = ')', parenthesized = false): Target {
  return readSeveral((): Target => readOneTarget(members), unpacked, parenthesized, until)
}

function readOneTarget(members: boolean): Target {
  const { type, line } = token()
  if (skip('(')) {
    const target = readTarget(members, ')', true)
    expect(')')
    return target
  }
  if (type !== 'name') unexpected('a name')
  const name = readName()
  if (Object.hasOwn(CONSTANTS, name)) fail(`cannot assign to '${name}'`)
  if (!members || !skip('.')) return { names: [name], assign: (scope, value) => scope.set(name, value) }
  const [owner, attribute] = [load(name), readName()]
  return {
    names: [],
    assign(scope, value) {
      const space = owner(scope)
      now.line = line
      return space instanceof Namespace ? space.set(attribute, value) : unfit(space, 'is no namespace')
    },
  }
}

/** What stands behind a value: attributes, items and calls; then filters and tests, and calls of what they give. */
function readSuffixes(start: Evaluate, filters: boolean): Evaluate {
  let value = start
  let filtered = false
  for (;;) {
    const { line } = token()
    if (is('(')) value = readCall(value)
    else if (!filtered && skip('.')) value = readAttribute(value, line)
    else if (!filtered && skip('[')) value = readItem(value, line)
    else if (filters && is('|', 'is')) {
      value = skip('|') ? readFilter(value) : readTest(value)
      filtered = true
    } else return value
  }
}

function readAttribute(owner: Evaluate, line: number): Evaluate {
  const { type, value } = next()
  if (type === 'name') return lined(line, [owner], (of) => getAttribute(of, value as string))
  if (typeof value !== 'number') fail('expected a name or number')
  return lined(line, [owner], (of) => getItem(of, value))
}

/** What stands in brackets behind a value: a key, several, or the bounds of a slice. */
function readItem(owner: Evaluate, line: number): Evaluate {
  let bounds: Evaluate[] = []
  const bound = () => (is(':', ']', ',') ? constant(null) : readExpression())
  const readKey = () => {
    const key = is(':') ? bound() : readExpression()
    if (is(':')) bounds = [key]
    while (bounds.length > 0 && bounds.length < 3 && skip(':')) bounds.push(bound())
    return key
  }
  const keys = readListed(']', readKey, false)
  if (keys.length === 1 && bounds.length > 0) return lined(line, [owner, ...bounds], sliced)
  if (bounds.length > 0) fail('a slice stands alone in its brackets')
  const key = keys.length === 1 ? keys[0]! : tupled(keys)
  return lined(line, [owner, key], getItem)
}

function readCall(callee: Evaluate): Evaluate {
  const { line } = token()
  const given = readArguments()
  lastCall = (scope, more) => {
    const called = callee(scope)
    const [args, kwargs] = given(scope)
    for (const [name, value] of more ?? []) kwargs.set(name, value)
    now.line = line
    return called instanceof Fn ? called.call(args, kwargs) : unfit(called, 'is not callable')
  }
  return lastCall
}

/** Arguments in parentheses, if there are any. */
function readArguments(): Arguments {
  const { line } = token()
  const before: string[] = []
  const given = skip('(') ? readListed(')', () => readArgument(before, line)) : []
  return (scope) => {
    const [args, kwargs]: [Value[], Kwargs] = [[], new Map()]
    for (const add of given) add(scope, args, kwargs)
    return [args, kwargs]
  }
}

/** `before`: the stars and names of the arguments before it. */
function readArgument(before: string[], line: number): Argument {
  const named = token().type === 'name' && isAhead('=')
  const kind = is('*', '**') || named ? (next().value as string) : ''
  if (named) next()
  const barred = kind === '*' ? ['*', '**'] : kind ? ['**', kind] : before
  if (barred.some((other) => before.includes(other))) fail('invalid arguments of a call')
  if (kind) before.push(kind)
  const value = readExpression()
  return (scope, args, kwargs) => {
    const item = value(scope)
    now.line = line
    if (named) kwargs.set(kind, item)
    else if (kind === '*') args.push(...listOf(item))
    else if (kind === '**')
      for (const [key, part] of dictIn(item).items()) kwargs.set(textOf(key) ?? unfit(key, 'is no str'), part)
    else args.push(item)
  }
}

/** A filter; the first `|` is passed. */
export function readFilter(value: Evaluate): Evaluate {
  return readApplied(FILTERS, 'filter', value)
}

function readTest(value: Evaluate): Evaluate {
  next()
  const negated = skip('not')
  const test = readApplied(ALL_TESTS, 'test', value)
  return negated ? (scope) => !isTrue(test(scope)) : test
}

function readApplied(table: Table<Value>, kind: 'filter' | 'test', subject: Evaluate): Evaluate {
  const { line } = token()
  let name = readName()
  while (skip('.')) name += `.${readName()}`
  const given = kind === 'test' && beginsArgument() ? readOneArgument() : readArguments()
  if (!Object.hasOwn(table, name)) {
    const error = new JinjaError(`No ${kind} named '${name}'.`, line)
    current.unknown ??= error
    return () => {
      throw error
    }
  }
  return (scope) => {
    const value = subject(scope)
    const [args, kwargs] = given(scope)
    now.line = line
    return run(table, name, value, args, kwargs)
  }
}

/** Whether an argument of a test follows that has no parentheses. */
function beginsArgument(): boolean {
  const { type } = token()
  return is('[', '{') || type === 'string' || type === 'number' || (type === 'name' && !is('else', 'or', 'and'))
}

function readOneArgument(): Arguments {
  if (is('is')) unexpected('one test')
  const value = readSuffixes(readPrimary(), false)
  return (scope) => [[value(scope)], new Map()]
}
