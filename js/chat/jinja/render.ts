/** Turns statements into functions that write a template's text. */
import {
  type CallBlock,
  children,
  type For,
  type If,
  type Macro,
  type Node,
  type Signature,
  type Statement,
  type Target,
} from './ast.ts'
import { textArgument } from './call.ts'
import { call, evaluation, filter, type Place } from './evaluate.ts'
import { Namespace } from './globals.ts'
import { Loop } from './loop.ts'
import { markup, str } from './operations.ts'
import { captured, MacroValue, made, Self, type Signal, Sink, type Step } from './parts.ts'
import { entry, Names, namesIn, Scope, usedFirst, type Variables } from './scope.ts'
import {
  deep,
  type Fn,
  fail,
  isTrue,
  iterate,
  JinjaError,
  listOf,
  now,
  Once,
  spend,
  Undefined,
  type Value,
} from './values.ts'

interface Frame extends Place {
  /** At the top level of the template, where what is set is seen by blocks. */
  top: boolean
  inLoop: boolean
}

const inner = (frame: Frame, names: Names): Frame => ({ ...frame, names, soft: false, top: false })

const printed = (value: Value) => (now.escapes ? markup(value).text : str(value))
/** Whether a block in a node sees the variables around it. */
function hasScopedBlock(node: Node): boolean {
  return (node.kind === 'block' && node.scoped) || Array.from(children(node)).some(hasScopedBlock)
}

class Renderer {
  private readonly blocks = new Map<string, Step>()

  /** The function that renders a whole template. */
  template(body: readonly Statement[]): (context: Variables) => string {
    const names = new Names(undefined)
    const usesSelf = usedFirst(body, ['self']).has('self')
    if (usesSelf) names.parameter('self')
    names.visitAll(body)
    const step = this.all(body, { names, soft: false, top: true, inLoop: false })
    const enter = entry(names)
    return (context) => {
      const scope = new Scope(undefined, context)
      if (usesSelf) scope.set('self', new Self(this.blocks, scope))
      enter(scope)
      return captured(step, scope)[0]
    }
  }

  private all(body: readonly Statement[], frame: Frame): Step {
    const steps = body.map((statement) => this.step(statement, frame))
    return (scope, out) => {
      for (const step of steps) {
        spend()
        const signal = step(scope, out)
        if (signal !== undefined) return signal
      }
      return undefined
    }
  }

  private step(node: Statement, frame: Frame): Step {
    switch (node.kind) {
      case 'output':
        return this.output(node.items, frame)
      case 'for':
        return this.for(node, frame)
      case 'if':
        return this.if(node, frame)
      case 'set': {
        const [value, assign] = [evaluation(node.value, frame), this.assignment(node.target, frame)]
        return (scope) => assign(scope, value(scope))
      }
      case 'setBlock':
      case 'filterBlock':
        return this.capture(node, frame)
      case 'macro':
        return this.macroStatement(node, frame)
      case 'callBlock':
        return this.callBlock(node, frame)
      case 'with':
        return this.with(node, frame)
      case 'block':
        return this.block(node, frame)
      case 'autoescape':
        return this.autoescape(node, frame)
      case 'generation': {
        const body = this.macro('', { params: [], defaults: [], body: node.body }, frame, node.line)
        return (scope, out) => void out.write(str(body(scope).call([], new Map())))
      }
      case 'break':
      case 'continue':
        if (!frame.inLoop) throw new JinjaError(`'${node.kind}' outside a loop`, node.line)
        return () => node.kind
      case 'refused':
        return () => {
          now.line = node.line
          return fail(`'${node.tag}' needs other templates, which a chat template does not have`)
        }
    }
  }

  private output(items: readonly (string | Parameters<typeof evaluation>[0])[], frame: Frame): Step {
    const parts = items.map((item) => (typeof item === 'string' ? item : evaluation(item, frame)))
    return (scope, out) => {
      for (const part of parts) out.write(typeof part === 'string' ? part : printed(part(scope)))
      return undefined
    }
  }

  private if(node: If, frame: Frame): Step {
    const soft = { ...frame, soft: true }
    const branches = [node, ...node.others].map(
      ({ test, body }) => [evaluation(test, soft), this.all(body, soft)] as const,
    )
    const otherwise = this.all(node.otherwise, soft)
    return (scope, out) => {
      for (const [test, body] of branches) if (isTrue(test(scope))) return body(scope, out)
      return otherwise(scope, out)
    }
  }

  /** What sets a target in a scope, which is that of the frame. */
  private assignment(target: Target, frame: Frame): (scope: Scope, value: Value) => undefined {
    if (target.kind === 'tuple') {
      const parts = target.items.map((item) => this.assignment(item, frame))
      return (scope, value) => {
        const values = listOf(value)
        if (values.length < parts.length) fail('there are not enough values to unpack')
        if (values.length > parts.length) fail('there are too many values to unpack')
        for (const [i, part] of parts.entries()) part(scope, values[i]!)
      }
    }
    const { name, line } = target
    if (target.kind === 'name') {
      return (scope, value) => {
        scope.set(name, value)
        if (frame.top) scope.context.set(name, value)
      }
    }
    const space = evaluation({ kind: 'name', name, use: 'load', line }, frame)
    return (scope, value) => {
      const owner = space(scope)
      now.line = line
      if (!(owner instanceof Namespace)) return fail('cannot assign attribute on non-namespace object')
      owner.set(target.attribute, value)
    }
  }

  private capture(node: Extract<Statement, { kind: 'setBlock' | 'filterBlock' }>, frame: Frame): Step {
    const names = new Names(frame.names).visitAll(node.body)
    if (node.kind === 'filterBlock') names.visit(node.filter)
    const enter = entry(names)
    const body = this.all(node.body, inner(frame, names))
    let text = ''
    const change = node.filter && filter(node.filter, inner(frame, names), () => made(text))
    const assign = node.kind === 'setBlock' ? this.assignment(node.target, frame) : undefined
    return (scope, out) => {
      const own = new Scope(scope, scope.context)
      enter(own)
      const [captive, signal] = captured(body, own)
      if (signal !== undefined) return signal
      text = captive
      const value = change ? change(own) : made(text)
      if (assign) assign(scope, value)
      else out.write(textArgument(value))
      return undefined
    }
  }

  private with(node: Extract<Statement, { kind: 'with' }>, frame: Frame): Step {
    const names = new Names(frame.names).visitAll([...node.targets, ...node.body])
    const own = inner(frame, names)
    const enter = entry(names)
    const pairs = node.targets.map(
      (target, i) => [this.assignment(target, own), evaluation(node.values[i]!, frame)] as const,
    )
    const body = this.all(node.body, own)
    return (scope, out) => {
      const within = new Scope(scope, scope.context)
      enter(within)
      for (const [assign, value] of pairs) assign(within, value(scope))
      return body(within, out)
    }
  }

  private autoescape(node: Extract<Statement, { kind: 'autoescape' }>, frame: Frame): Step {
    const names = new Names(frame.names).visitAll(node.body)
    const enter = entry(names)
    const value = evaluation(node.value, frame)
    const body = this.all(node.body, inner(frame, names))
    return (scope, out) => {
      const before = now.escapes
      now.escapes = isTrue(value(scope))
      const own = new Scope(scope, scope.context)
      enter(own)
      const signal = body(own, out)
      now.escapes = before
      return signal
    }
  }

  private block(node: Extract<Statement, { kind: 'block' }>, frame: Frame): Step {
    if (this.blocks.has(node.name)) throw new JinjaError(`block '${node.name}' defined twice`, node.line)
    const names = new Names(undefined)
    const used = usedFirst(node.body, ['self', 'super'])
    for (const name of used) names.parameter(name)
    names.visitAll(node.body)
    const enter = entry(names)
    let body: Step
    const step: Step = (scope, out) => {
      const own = new Scope(undefined, scope.context)
      own.set('self', new Self(this.blocks, own))
      own.set('super', new Undefined(`there is no parent block called '${node.name}'.`))
      enter(own)
      return body(own, out)
    }
    this.blocks.set(node.name, step)
    body = this.all(node.body, { names, soft: false, top: false, inLoop: false })
    const stored = node.scoped ? frame.names.stored() : undefined
    return (scope, out) => {
      if (node.required) return fail(`Required block '${node.name}' not found`)
      if (!stored) return step(scope, out)
      const context = new Map(scope.context)
      for (const [name, hops] of stored) {
        const value = scope.up(hops).values.get(name)
        if (value !== undefined) context.set(name, value)
      }
      return step(new Scope(undefined, context), out)
    }
  }

  /** What makes a macro of its signature, in the scope where it is defined. */
  private macro(name: string, { params, defaults, body }: Signature, frame: Frame, line: number): (scope: Scope) => Fn {
    const names = new Names(frame.names).visitAll([...params, ...defaults, ...body])
    const listed = params.map((param) => param.name)
    const takes = usedFirst(body, ['caller', 'kwargs', 'varargs'])
    const offset = params.length - defaults.length
    if (takes.has('caller') && listed.includes('caller') && listed.indexOf('caller') < offset) {
      throw new JinjaError('the special "caller" argument must be omitted or be given a default', line)
    }
    for (const special of takes) if (!listed.includes(special)) names.parameter(special)
    for (const special of ['kwargs', 'varargs']) if (listed.includes(special)) takes.delete(special)
    const own: Frame = { names, soft: false, top: false, inLoop: false }
    const enter = entry(names)
    const fallback = defaults.map((value) => evaluation(value, own))
    const step = this.all(body, own)
    return (scope) =>
      new MacroValue(name, listed, takes, (values) => {
        const within = new Scope(scope, scope.context)
        deep(++now.depth)
        for (const [key, value] of values) within.values.set(key, value)
        enter(within)
        listed.forEach((param, i) => {
          if (within.values.has(param)) return
          const value =
            i >= offset ? fallback[i - offset]!(within) : new Undefined(`parameter '${param}' was not provided`)
          within.set(param, value)
        })
        const [text] = captured(step, within)
        now.depth--
        return made(text)
      })
  }

  private macroStatement(node: Macro, frame: Frame): Step {
    const make = this.macro(node.name, node, frame, node.line)
    return (scope) => {
      const macro = make(scope)
      scope.set(node.name, macro)
      if (frame.top) scope.context.set(node.name, macro)
      return undefined
    }
  }

  private callBlock(node: CallBlock, frame: Frame): Step {
    const caller = this.macro('', node, frame, node.line)
    const run = call(node.call, frame, (scope) => [['caller', caller(scope)]])
    return (scope, out) => void out.write(textArgument(run(scope)))
  }

  private for(node: For, frame: Frame): Step {
    for (const { name, use, line } of namesIn([node])) {
      if (use === 'store' && name === 'loop') throw new JinjaError("cannot assign to 'loop' in a loop", line)
    }
    const over = evaluation(node.over, frame)
    const turn = this.turns(node, frame)
    const names = new Names(frame.names).visitAll(node.otherwise)
    const enter = entry(names)
    const otherwise = this.all(node.otherwise, inner(frame, names))
    const chosen = node.test && this.chosen(node.target, node.test, frame)
    const run = (scope: Scope, out: Sink, items: Value, depth: number): Signal => {
      deep(depth)
      const recurse = (more: Value, deeper: number): Value => {
        const within = new Sink()
        run(scope, within, more, deeper)
        return made(within.text)
      }
      const loop = new Loop(chosen ? chosen(scope, items) : items, node.recursive ? recurse : undefined, depth)
      if (turn(scope, out, loop)) return undefined
      const own = new Scope(scope, scope.context)
      enter(own)
      return otherwise(own, out)
    }
    return (scope, out) => {
      const items = over(scope)
      now.line = node.line
      return run(scope, out, items, 0)
    }
  }

  /** Runs the body of a loop for each item; whether a turn came to its end. */
  private turns(node: For, frame: Frame): (scope: Scope, out: Sink, loop: Loop) => boolean {
    const names = new Names(frame.names)
    const named = node.recursive || usedFirst(node.body, ['loop']).has('loop') || hasScopedBlock(node)
    if (named) names.parameter('loop')
    names.visitTarget(node.target)
    names.visitAll(node.body)
    const own: Frame = { ...inner(frame, names), inLoop: true }
    const [assign, enter, body] = [this.assignment(node.target, own), entry(names), this.all(node.body, own)]
    return (scope, out, loop) => {
      const within = new Scope(scope, scope.context)
      let ended = false
      if (named) within.set('loop', loop)
      for (let next = loop.next(); next; next = loop.next()) {
        assign(within, next.item)
        enter(within)
        const signal = body(within, out)
        if (signal === 'break') break
        if (signal === undefined) ended = true
      }
      return ended
    }
  }

  /** The items of a loop that pass its test. */
  private chosen(
    target: Target,
    test: Parameters<typeof evaluation>[0],
    frame: Frame,
  ): (scope: Scope, items: Value) => Value {
    const names = new Names(frame.names)
    names.visitTarget(target)
    names.visit(test)
    const own = inner(frame, names)
    const [assign, enter, passes] = [this.assignment(target, own), entry(names), evaluation(test, own)]
    function* choose(scope: Scope, items: Value): Generator<Value> {
      const within = new Scope(scope, scope.context)
      enter(within)
      for (const item of iterate(items)) {
        assign(within, item)
        if (isTrue(passes(within))) yield item
      }
    }
    return (scope, items) => new Once(choose(scope, items))
  }
}

/** The function that renders a template with a context. Throws JinjaError. */
export function rendering(body: readonly Statement[]): (context: Variables) => string {
  return new Renderer().template(body)
}
