/** The tree of a template. Fields stand in the order in which names in them count (see scope.ts). */
import type { Value } from './values.ts'

export interface Arguments {
  args: Expression[]
  kwargs: { kind: 'keyword'; name: string; value: Expression }[]
  /** `*args` and `**kwargs`. */
  spread: Expression | undefined
  spreadNames: Expression | undefined
}

export type Name = { kind: 'name'; name: string; use: 'load' | 'store' | 'param'; line: number }
export type Target = Name | { kind: 'tuple'; items: Target[]; line: number } | Member
/** `namespace.name`, set. */
export type Member = { kind: 'member'; name: string; attribute: string; line: number }
export type FilterCall = { kind: 'filter'; node: Expression | undefined; name: string; line: number } & Arguments
export type CallNode = { kind: 'call'; node: Expression; line: number } & Arguments

export type Expression =
  | Name
  | FilterCall
  | CallNode
  | { kind: 'const'; value: Value; line: number }
  | { kind: 'list' | 'tuple'; items: Expression[]; line: number }
  | { kind: 'dict'; items: [Expression, Expression][]; line: number }
  | { kind: 'attribute'; node: Expression; name: string; line: number }
  | { kind: 'item'; node: Expression; key: Expression; line: number }
  | { kind: 'slice'; node: Expression; bounds: (Expression | undefined)[]; line: number }
  | ({ kind: 'test'; node: Expression; name: string; line: number } & Arguments)
  | { kind: 'binary'; op: string; left: Expression; right: Expression; line: number }
  | { kind: 'unary'; op: string; node: Expression; line: number }
  | { kind: 'and' | 'or'; left: Expression; right: Expression; line: number }
  | { kind: 'compare'; first: Expression; rest: { kind: 'operand'; op: string; value: Expression }[]; line: number }
  | { kind: 'concat'; items: Expression[]; line: number }
  | { kind: 'choice'; test: Expression; yes: Expression; no: Expression | undefined; line: number }

/** What a macro and a call block have in common. */
export interface Signature {
  params: Name[]
  /** Of the last parameters. */
  defaults: Expression[]
  body: Statement[]
}

export type For = {
  kind: 'for'
  target: Target
  over: Expression
  body: Statement[]
  otherwise: Statement[]
  test: Expression | undefined
  recursive: boolean
  line: number
}
export type If = { kind: 'if'; test: Expression; body: Statement[]; others: If[]; otherwise: Statement[]; line: number }
export type Macro = { kind: 'macro'; name: string; line: number } & Signature
export type CallBlock = { kind: 'callBlock'; call: CallNode; line: number } & Signature

export type Statement =
  | For
  | If
  | Macro
  | CallBlock
  | { kind: 'output'; items: (string | Expression)[]; line: number }
  | { kind: 'set'; target: Target; value: Expression; line: number }
  | { kind: 'setBlock'; target: Target; filter: FilterCall | undefined; body: Statement[]; line: number }
  | { kind: 'filterBlock'; body: Statement[]; filter: FilterCall; line: number }
  | { kind: 'with'; targets: Target[]; values: Expression[]; body: Statement[]; line: number }
  | { kind: 'block'; name: string; scoped: boolean; required: boolean; body: Statement[]; line: number }
  | { kind: 'autoescape'; value: Expression; body: Statement[]; line: number }
  | { kind: 'generation'; body: Statement[]; line: number }
  | { kind: 'break' | 'continue'; line: number }
  /** What needs other templates: fails where it is reached. */
  | { kind: 'refused'; tag: string; line: number }

export type Node = Statement | Expression | Target

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'kind' in value

/** The nodes directly in a node, in order. */
export function* children(node: object): Generator<Node> {
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) yield* inList(value)
    else if (isNode(value)) yield value
  }
}

function* inList(list: readonly unknown[]): Generator<Node> {
  for (const value of list) {
    if (Array.isArray(value)) yield* inList(value)
    else if (isNode(value)) yield value
  }
}
