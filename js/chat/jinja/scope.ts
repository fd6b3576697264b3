/**
 * Which variable a name is. Jinja decides it before rendering: a loop, macro, with or block has a scope of its own, and a
 * name that a scope sets anywhere belongs to it from the beginning, with the value it has outside until it is set. So
 * `{% set x = … %}` in a loop ends with each turn, and a name that is set below its first use by an inner scope is
 * undefined there. Source: Jinja 3.1, idtracking.py.
 */
import { children, type If, type Name, type Node, type Statement, type Target } from './ast.ts'
import type { Value } from './values.ts'

/** Where a scope's variable has its first value from: its caller, the context, the scope outside, or nowhere. */
export type Origin = 'parameter' | 'context' | 'outer' | 'unset'

/** The names of one scope, before rendering. */
export class Names {
  readonly origins: Map<string, Origin>
  readonly stores: Set<string>
  constructor(
    readonly outer: Names | undefined,
    like?: Names,
  ) {
    this.origins = new Map(like?.origins)
    this.stores = new Set(like?.stores)
  }

  /** Scopes to go outwards for a name; undefined where none knows it. */
  find(name: string): number | undefined {
    let hops = 0
    for (let names: Names | undefined = this; names; names = names.outer, hops++) {
      if (names.origins.has(name)) return hops
    }
    return undefined
  }

  load(name: string): void {
    if (this.find(name) === undefined) this.origins.set(name, 'context')
  }

  store(name: string): void {
    this.stores.add(name)
    if (!this.origins.has(name)) this.origins.set(name, this.outer?.find(name) === undefined ? 'unset' : 'outer')
  }

  parameter(name: string): void {
    this.stores.add(name)
    this.origins.set(name, 'parameter')
  }

  /** Takes in what the branches of an if do: what only some of them set keeps its value from outside in the others. */
  private merge(branches: readonly Names[]): void {
    const stored = new Set(branches.flatMap((branch) => [...branch.stores].filter((name) => !this.stores.has(name))))
    for (const branch of branches) {
      for (const [name, origin] of branch.origins) this.origins.set(name, origin)
      for (const name of branch.stores) this.stores.add(name)
    }
    for (const name of stored) this.origins.set(name, this.outer?.find(name) === undefined ? 'context' : 'outer')
  }

  visitAll(nodes: Iterable<Node>): this {
    for (const node of nodes) this.visit(node)
    return this
  }

  /** Notes the names in a node, but for those that belong to scopes inside it. */
  visit(node: Node): void {
    switch (node.kind) {
      case 'name':
        if (node.use === 'load') this.load(node.name)
        else if (node.use === 'store') this.store(node.name)
        else this.parameter(node.name)
        break
      case 'member':
        this.load(node.name)
        break
      case 'if':
        this.visitIf(node)
        break
      case 'macro':
        this.store(node.name)
        break
      case 'set':
        this.visit(node.value)
        this.visit(node.target)
        break
      case 'for':
        this.visit(node.over)
        break
      case 'callBlock':
        this.visit(node.call)
        break
      case 'filterBlock':
        this.visit(node.filter)
        break
      case 'with':
        this.visitAll(node.values)
        break
      case 'setBlock':
        this.visit(node.target)
        break
      case 'autoescape':
      case 'block':
      case 'generation':
        break
      default:
        this.visitAll(children(node))
    }
  }

  private visitIf(node: If): void {
    this.visit(node.test)
    const branch = (nodes: readonly Statement[]) => new Names(this.outer, this).visitAll(nodes)
    this.merge([branch(node.body), branch(node.others), branch(node.otherwise)])
  }

  /** The target of a loop: its names come with each turn. */
  visitTarget(target: Target): void {
    if (target.kind === 'name') this.parameter(target.name)
    else if (target.kind === 'tuple') for (const item of target.items) this.visitTarget(item)
  }

  /** All names that are set here or outside, by hops. */
  stored(): Map<string, number> {
    const found = new Map<string, number>()
    let hops = 0
    for (let names: Names | undefined = this; names; names = names.outer, hops++) {
      for (const name of names.stores) if (!found.has(name)) found.set(name, hops)
    }
    return found
  }
}

/** What a template's caller and its top level have set, by name. */
export type Variables = Map<string, Value>

/** The variables of a scope in a rendering. A name without a value is undefined. */
export class Scope {
  readonly values = new Map<string, Value>()
  constructor(
    readonly outer: Scope | undefined,
    readonly context: Variables,
  ) {}

  up(hops: number): Scope {
    let scope: Scope = this
    for (let i = 0; i < hops; i++) scope = scope.outer!
    return scope
  }

  set(name: string, value: Value | undefined): void {
    if (value === undefined) this.values.delete(name)
    else this.values.set(name, value)
  }
}

/** What gives a scope's variables their first values, but for its parameters. */
export function entry(names: Names): (scope: Scope) => void {
  const first = Array.from(names.origins).filter(([, origin]) => origin !== 'parameter')
  const moves = first.map(
    ([name, origin]) => [name, origin, origin === 'outer' ? names.outer!.find(name)! : 0] as const,
  )
  return (scope) => {
    for (const [name, origin, hops] of moves) {
      if (origin === 'context') scope.set(name, scope.context.get(name))
      else scope.set(name, origin === 'outer' ? scope.outer!.up(hops).values.get(name) : undefined)
    }
  }
}

/** Every name node in nodes, in order; what is in a block stays out. */
export function* namesIn(nodes: Iterable<Node>): Generator<Name> {
  for (const node of nodes) {
    if (node.kind === 'name') yield node
    else if (node.kind !== 'block') yield* namesIn(children(node))
  }
}

/** Which of the names are used in nodes before they are set there. */
export function usedFirst(nodes: Iterable<Node>, names: readonly string[]): Set<string> {
  const open = new Set(names)
  const used = new Set<string>()
  for (const { name, use } of namesIn(nodes)) {
    if (use === 'load' && open.has(name)) used.add(name)
    else open.delete(name)
  }
  return used
}
