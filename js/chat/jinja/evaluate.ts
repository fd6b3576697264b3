/** Turns expressions into functions of a scope. */
import { binary, signed } from './arithmetic.ts'
import type { Arguments, Expression, FilterCall } from './ast.ts'
import type { Table } from './call.ts'
import { ALL_TESTS, FILTERS, run } from './filters.ts'
import { getAttribute, getItem } from './objects.ts'
import { markup, relation, sliced, str } from './operations.ts'
import type { Names, Scope } from './scope.ts'
import {
  Dict,
  dictIn,
  Fn,
  fail,
  isTrue,
  JinjaError,
  type Kwargs,
  listOf,
  Markup,
  missingName,
  now,
  room,
  Tuple,
  textOf,
  Undefined,
  unfit,
  type Value,
} from './values.ts'

export type Evaluate = (scope: Scope) => Value

/** Where in a template an expression stands. */
export interface Place {
  names: Names
  /** In an if: filters and tests that do not exist fail only where they are reached. */
  soft: boolean
}

type Of<Kind extends Expression['kind']> = Extract<Expression, { kind: Kind }>

export function callValue(callee: Value, args: Value[], kwargs: Kwargs): Value {
  if (callee instanceof Fn) return callee.call(args, kwargs)
  return unfit(callee, 'is not callable')
}

type Gather = (scope: Scope) => [args: Value[], kwargs: Kwargs]

function gather({ args, kwargs, spread, spreadNames }: Arguments, place: Place): Gather {
  const plain = args.map((arg) => evaluation(arg, place))
  const named = kwargs.map(({ name, value }) => [name, evaluation(value, place)] as const)
  const more = spread && evaluation(spread, place)
  const moreNames = spreadNames && evaluation(spreadNames, place)
  return (scope) => {
    const given = plain.map((arg) => arg(scope))
    if (more) given.push(...listOf(more(scope)))
    const byName: Kwargs = new Map()
    for (const [name, value] of named) byName.set(name, value(scope))
    if (moreNames) {
      for (const [key, value] of dictIn(moreNames(scope)).items())
        byName.set(textOf(key) ?? unfit(key, 'is no str'), value)
    }
    return [given, byName]
  }
}

function name(node: Of<'name'>, { names }: Place): Evaluate {
  const hops = names.find(node.name)!
  return (scope) => {
    const value = scope.up(hops).values.get(node.name)
    return value === undefined ? missingName(node.name) : value
  }
}

/** What a filter or test of the table is called with, and what it gives. */
function named(
  table: Table<[Value]>,
  kind: string,
  node: { name: string; line: number } & Arguments,
  subject: Evaluate,
  place: Place,
): Evaluate {
  const { line } = node
  if (!Object.hasOwn(table, node.name)) {
    if (!place.soft) throw new JinjaError(`No ${kind} named '${node.name}'.`, line)
    return () => {
      now.line = line
      return fail(`No ${kind} named '${node.name}' found.`)
    }
  }
  const gathered = gather(node, place)
  return (scope) => {
    const value = subject(scope)
    const [args, kwargs] = gathered(scope)
    now.line = line
    return run(table, node.name, [value, ...args], kwargs)
  }
}

/** A filter; `inner`: what it is applied to where that is a block's text. */
export function filter(node: FilterCall, place: Place, inner?: Evaluate): Evaluate {
  const first = node.node
  const subject =
    first === undefined
      ? (inner ?? (() => ''))
      : first.kind === 'filter' && inner
        ? filter(first, place, inner)
        : evaluation(first, place)
  return named(FILTERS, 'filter', node, subject, place)
}

/** A call; `more` gives further arguments by name. */
export function call(node: Of<'call'>, place: Place, more?: (scope: Scope) => Iterable<[string, Value]>): Evaluate {
  const callee = evaluation(node.node, place)
  const gathered = gather(node, place)
  return (scope) => {
    const called = callee(scope)
    const [args, kwargs] = gathered(scope)
    if (more) for (const [key, value] of more(scope)) kwargs.set(key, value)
    now.line = node.line
    return callValue(called, args, kwargs)
  }
}

function compare({ first, rest, line }: Of<'compare'>, place: Place): Evaluate {
  const start = evaluation(first, place)
  const steps = rest.map(({ op, value }) => [op, evaluation(value, place)] as const)
  return (scope) => {
    let left = start(scope)
    for (const [op, value] of steps) {
      const right = value(scope)
      now.line = line
      if (!relation(op, left, right)) return false
      left = right
    }
    return true
  }
}

function concat(...values: Value[]): Value {
  if (now.escapes && values.some((value) => value instanceof Markup)) {
    return new Markup(values.map((value) => markup(value).text).join(''))
  }
  const text = values.map(str).join('')
  room(text.length)
  return text
}

function choice({ test, yes, no, line }: Of<'choice'>, place: Place): Evaluate {
  const soft = { ...place, soft: true }
  const [decide, first] = [evaluation(test, soft), evaluation(yes, soft)]
  const reason = `the inline if-expression on line ${line} evaluated to false and no else section was defined.`
  const second = no ? evaluation(no, soft) : () => new Undefined(reason)
  return (scope) => (isTrue(decide(scope)) ? first(scope) : second(scope))
}

/** An operation that may fail, after its operands. */
function lined(line: number, parts: readonly Expression[], place: Place, run: (...values: Value[]) => Value): Evaluate {
  const operands = parts.map((part) => evaluation(part, place))
  const [first, second] = operands
  if (parts.length <= 2 && first) {
    return (scope) => {
      const a = first(scope)
      const b = second?.(scope)
      now.line = line
      return b === undefined ? run(a) : run(a, b)
    }
  }
  return (scope) => {
    const values = operands.map((operand) => operand(scope))
    now.line = line
    return run(...values)
  }
}

const NONE: Expression = { kind: 'const', value: null, line: 0 }

function dict({ items }: Of<'dict'>, place: Place): Evaluate {
  const pairs = items.map(([key, value]) => [evaluation(key, place), evaluation(value, place)] as const)
  return (scope) => Dict.of(pairs.map(([key, value]) => [key(scope), value(scope)] as const))
}

/** The function that computes an expression. Throws JinjaError for filters and tests that do not exist. */
export function evaluation(node: Expression, place: Place): Evaluate {
  switch (node.kind) {
    case 'const':
      return () => node.value
    case 'name':
      return name(node, place)
    case 'attribute':
      return lined(node.line, [node.node], place, (value) => getAttribute(value!, node.name))
    case 'item':
      return lined(node.line, [node.node, node.key], place, (value, key) => getItem(value!, key!))
    case 'slice':
      return lined(node.line, [node.node, ...node.bounds.map((bound) => bound ?? NONE)], place, (...values) => {
        const [value, start, stop, step] = values
        return sliced(value!, start!, stop!, step!)
      })
    case 'call':
      return call(node, place)
    case 'filter':
      return filter(node, place)
    case 'test':
      return named(ALL_TESTS, 'test', node, evaluation(node.node, place), place)
    case 'binary':
      return lined(node.line, [node.left, node.right], place, (a, b) => binary(node.op, a!, b!))
    case 'unary':
      return lined(node.line, [node.node], place, (value) =>
        node.op === 'not' ? !isTrue(value!) : signed(node.op, value!),
      )
    case 'compare':
      return compare(node, place)
    case 'concat':
      return lined(node.line, node.items, place, concat)
    case 'choice':
      return choice(node, place)
    case 'dict':
      return dict(node, place)
    case 'and':
    case 'or': {
      const [left, right] = [evaluation(node.left, place), evaluation(node.right, place)]
      const stops = node.kind === 'or'
      return (scope) => {
        const value = left(scope)
        return isTrue(value) === stops ? value : right(scope)
      }
    }
    case 'list':
      return lined(node.line, node.items, place, (...values) => values)
    case 'tuple':
      return lined(node.line, node.items, place, (...values) => new Tuple(values))
  }
}
