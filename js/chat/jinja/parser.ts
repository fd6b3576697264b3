/**
 * Reads statements, by Jinja's grammar with `break`, `continue` and transformers' `generation`, into functions that write a
 * template's text.
 */
import { textArgument } from './call.ts'
import { type Evaluate, isCall, readExpression, readFilter, readTarget, readTuple, type Target } from './expressions.ts'
import { loopOver } from './loop.ts'
import { markup, str } from './operations.ts'
import { type Block, captured, macro, made, type Signal, type Step, self, type Write } from './parts.ts'
import {
  begin,
  current,
  expect,
  is,
  mention,
  mentions,
  nested,
  next,
  readCommas,
  readListed,
  readName,
  skip,
  token,
  within,
} from './reader.ts'
import { Names, type Scope, type Use, type Variables } from './scope.ts'
import { deep, type Fn, fail, isTrue, iterate, now, Once, spend, Undefined, type Value } from './values.ts'

/** What a macro may be called with beside its parameters, if its body uses it. */
const SPECIAL = ['caller', 'kwargs', 'varargs']

/** Names, and what the last of them are by default. */
type MacroParameters = [params: string[], defaults: Evaluate[]]
const NO_PARAMETERS: MacroParameters = [[], []]

function all(steps: readonly Step[]): Step {
  return (scope, write) => {
    for (const step of steps) {
      spend()
      const signal = step(scope, write)
      if (signal !== undefined) return signal
    }
    return undefined
  }
}

/** Tags that are open, with what may come next of each. */
let open: { tag: string; ends: readonly string[] }[] = []
let blocks: Map<string, Block>

/** Text, prints and statements up to one of the tags `ends`, or to the end of the template. */
function readStatements(ends: readonly string[]): Step {
  const body: Step[] = []
  for (;;) {
    const { type, value } = token()
    if (type === 'end') {
      if (ends.length > 0) fail(`the template ends, but ${wanted()}`)
      return all(body)
    }
    next()
    if (type === 'text') body.push((_scope, write) => write(value as string))
    else if (value === '{{') {
      body.push(print(readTuple()))
      expect('}}')
    } else {
      if (is(...ends)) return all(body)
      body.push(readStatement())
      expect('%}')
    }
  }
}

function print(value: Evaluate): Step {
  return (scope, write) => {
    const item = value(scope)
    return write(now.escapes ? markup(item).text : str(item))
  }
}

function wanted(): string {
  const { tag, ends } = open.at(-1)!
  return `${tag} wants ${ends.map((end) => `'${end}'`).join(' or ')}`
}

/** The body of a tag up to one of `ends`, which becomes the current token. */
function readBody(tag: string, ends: readonly string[]): Step {
  skip(':')
  expect('%}')
  open.push({ tag, ends })
  const body = nested(() => readStatements(ends))
  open.pop()
  return body
}

/** The body of a tag, whose end is passed. */
function readWhole(tag: string): Step {
  const body = readBody(tag, [`end${tag}`])
  next()
  return body
}

function store(names: readonly string[], use: Use = 'store'): void {
  for (const name of names) mention(name, use)
}

function innerNames(): Names {
  return new Names(current, current.inLoop)
}

/** The body of a tag in a scope of its own. */
function readScoped(tag: string): Step {
  const names = innerNames()
  const body = within(names, () => readWhole(tag))
  return (scope, write) => body(names.enter(scope), write)
}

/** What reads a statement, by its tag, which is passed. */
const STATEMENTS: Readonly<Record<string, (line: number, tag: string) => Step>> = {
  for: readFor,
  if: readIf,
  set: readSet,
  print: () => all(readCommas('%}', () => print(readExpression()))),
  macro: readMacroStatement,
  call: readCallBlock,
  filter: (_, tag) => readCapture(tag, true, (value, _scope, write) => write(textArgument(value))),
  with: readWith,
  block: readBlock,
  autoescape: readAutoescape,
  generation(_, tag) {
    const make = readMacro('', tag, new Names(current), NO_PARAMETERS)
    return (scope, write) => write(str(make(scope).call([], new Map())))
  },
  break: endTurn,
  continue: endTurn,
  include: refuse,
  import: refuse,
  from: refuse,
  extends: refuse,
}

function readStatement(): Step {
  const { line } = token()
  const tag = readName()
  if (Object.hasOwn(STATEMENTS, tag)) return STATEMENTS[tag]!(line, tag)
  return fail(`unknown tag '${tag}'${open.length > 0 ? `: ${wanted()}` : ''}`)
}

/** `break` and `continue`. */
function endTurn(_line: number, tag: string): Step {
  if (!current.inLoop) fail(`'${tag}' outside a loop`)
  return () => tag as Signal
}

/** A tag that needs other templates fails where it is reached. */
function refuse(line: number, tag: string): Step {
  while (!is('%}') && token().type !== 'end') next()
  return () => {
    now.line = line
    return fail(`'${tag}' needs other templates, which a chat template does not have`)
  }
}

function readIf(): Step {
  const names = current
  const { unknown } = names
  names.branches++
  const branches: [Evaluate, Step][] = []
  let otherwise = all([])
  for (let tag: unknown = 'elif'; tag === 'elif'; tag = next().value) {
    const test = readTuple(false)
    branches.push([test, readBody('if', ['elif', 'else', 'endif'])])
    if (is('else')) {
      next()
      otherwise = readWhole('if')
      break
    }
  }
  names.branches--
  names.unknown = unknown
  return (scope, write) => {
    for (const [test, body] of branches) if (isTrue(test(scope))) return body(scope, write)
    return otherwise(scope, write)
  }
}

function readSet(line: number): Step {
  const target = readTarget(true)
  if (!skip('=')) {
    store(target.names)
    return readCapture('set', skip('|'), (value, scope) => target.assign(scope, value))
  }
  const value = readTuple()
  store(target.names)
  return (scope) => {
    const given = value(scope)
    now.line = line
    return target.assign(scope, given)
  }
}

/** A body whose text filters change; `use` gets what they make of it. */
function readCapture(
  tag: string,
  filtered: boolean,
  use: (value: Value, scope: Scope, write: Write) => undefined,
): Step {
  const names = innerNames()
  let text: Value = ''
  let change: Evaluate = () => text
  const body = within(names, () => {
    for (let more = filtered; more; more = skip('|')) change = readFilter(change)
    return readWhole(tag)
  })
  return (scope, write) => {
    const own = names.enter(scope)
    const [captive, signal] = captured((write) => body(own, write))
    if (signal !== undefined) return signal
    text = made(captive)
    return use(change(own), scope, write)
  }
}

function readWith(): Step {
  const names = innerNames()
  const pairs = readCommas('%}', () => {
    const target = readTarget()
    within(names, () => store(target.names, 'param'))
    expect('=')
    return [target, readExpression()] as const
  })
  const body = within(names, () => readWhole('with'))
  return (scope, write) => {
    const own = names.enter(scope)
    for (const [target, value] of pairs) target.assign(own, value(scope))
    return body(own, write)
  }
}

function readAutoescape(): Step {
  const value = readExpression()
  const body = readScoped('autoescape')
  return (scope, write) => {
    const before = now.escapes
    now.escapes = isTrue(value(scope))
    const signal = body(scope, write)
    now.escapes = before
    return signal
  }
}

function readBlock(): Step {
  const name = readName()
  if (blocks.has(name)) fail(`block '${name}' defined twice`)
  const [scoped, required] = [skip('scoped'), skip('required')]
  const names = new Names()
  const before = mentions.length
  const known = blocks
  let body: Step
  const render: Block = (context, write) => {
    const own = names.enter(undefined, context)
    own.set('self', self(known, context))
    own.set('super', new Undefined(`block '${name}' has no parent`))
    return body(own, write)
  }
  blocks.set(name, render)
  body = within(names, () => readWhole('block'))
  mentions.length = before
  skip(name)
  return (scope, write) => {
    if (required) fail(`block '${name}' is missing`)
    return render(scoped ? scope.everything() : scope.context, write)
  }
}

/** MacroParameters of a macro in parentheses. */
function readParameters(): MacroParameters {
  const params: string[] = []
  const defaults: Evaluate[] = []
  expect('(')
  const readParameter = () => {
    const param = readName()
    params.push(param)
    store([param], 'param')
    if (skip('=')) defaults.push(readExpression())
    else if (defaults.length > 0) fail(`parameter '${param}' must have a default`)
  }
  readListed(')', readParameter, false)
  return [params, defaults]
}

/** What makes a macro of its parameters and its body, in the scope where it is defined. */
function readMacro(name: string, tag: string, names: Names, [params, defaults]: MacroParameters): (scope: Scope) => Fn {
  const before = mentions.length
  const body = within(names, () => readWhole(tag))
  const own = mentions.slice(before)
  const takes = SPECIAL.filter(
    (special) =>
      own.find((mention) => mention.name === special)?.use === 'load' &&
      (special === 'caller' || !params.includes(special)),
  )
  const required = params.length - defaults.length
  if (takes.includes('caller') && params.slice(0, required).includes('caller'))
    fail("parameter 'caller' must have a default")
  return (scope) =>
    macro(name, params, takes, (values) => {
      const own = names.enter(scope)
      deep(++now.depth)
      for (const [key, value] of values) own.set(key, value)
      params.forEach((param, i) => {
        if (own.get(param) !== undefined) return
        const missing = new Undefined(`parameter '${param}' is missing`)
        own.set(param, i < required ? missing : defaults[i - required]!(own))
      })
      const [text] = captured((write) => body(own, write))
      now.depth--
      return made(text)
    })
}

function readMacroStatement(): Step {
  const name = readName()
  current.mention(name, 'store')
  const names = new Names(current)
  const make = readMacro(
    name,
    'macro',
    names,
    within(names, () => readParameters()),
  )
  return (scope) => scope.set(name, make(scope))
}

function readCallBlock(): Step {
  const names = new Names(current)
  const parameters = is('(') ? within(names, () => readParameters()) : NO_PARAMETERS
  const call = readExpression()
  if (!isCall(call)) fail('expected a call')
  const caller = readMacro('', 'call', names, parameters)
  return (scope, write) => write(textArgument(call(scope, new Map([['caller', caller(scope)]]))))
}

function readFor(line: number): Step {
  const before = mentions.length
  const target = readTarget(false, 'in')
  expect('in')
  const over = readTuple(false, 'recursive')
  const choosing = new Names(current)
  const test = skip('if') ? within(choosing, () => readTurn(target, () => readExpression())) : undefined
  const recursive = skip('recursive')
  const names = new Names(current, true)
  const body = within(names, () => readTurn(target, () => readBody('for', ['endfor', 'else'])))
  const otherwise = next().value === 'else' ? readScoped('for') : all([])
  if (mentions.slice(before).some(({ name, use }) => name === 'loop' && use === 'store'))
    fail("cannot assign to 'loop' in a loop")

  function* chosen(passes: Evaluate, scope: Scope, items: Value): Generator<Value> {
    const own = choosing.enter(scope)
    for (const item of iterate(items)) {
      target.assign(own, item)
      if (isTrue(passes(own))) yield item
    }
  }
  const run = (scope: Scope, write: Write, items: Value, depth: number): Signal => {
    deep(depth)
    const recurse = (more: Value) => made(captured((write) => run(scope, write, more, depth + 1))[0])
    const turned = test ? new Once(chosen(test, scope, items)) : items
    const [loop, advance] = loopOver(turned, recursive ? recurse : undefined, depth)
    let ended = false
    for (let next = advance(); next; next = advance()) {
      const own = names.enter(scope)
      own.set('loop', loop)
      target.assign(own, next[0])
      const signal = body(own, write)
      if (signal === 'break') break
      if (signal === undefined) ended = true
    }
    return ended ? undefined : otherwise(scope, write)
  }
  return (scope, write) => {
    const items = over(scope)
    now.line = line
    return run(scope, write, items, 0)
  }
}

/** Reads what knows the names of a loop's target. */
function readTurn<T>({ names }: Target, read: () => T): T {
  store(names)
  return read()
}

/** Reads a template into the function that renders it with a context. Throws JinjaError. */
export function parse(source: string): (context: Variables) => string {
  const names = begin(source)
  open = []
  const own = new Map<string, Block>()
  blocks = own
  const body = readStatements([])
  if (names.unknown) throw names.unknown
  return (context) => {
    context.set('self', self(own, context))
    return captured((write) => body(names.enter(undefined, context), write))[0]
  }
}
