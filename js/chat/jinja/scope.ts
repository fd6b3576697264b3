/**
 * Which variable a name is. A loop, macro, with or block has a scope of its own, and what it sets is seen there and in the
 * scopes inside. So `{% set x = … %}` in a loop ends with each turn. A name that a scope sets before it uses it, and that no
 * scope outside knows, is the scope's own from the beginning: a macro or loop above the set finds it undefined, whatever
 * the context has. Source: Jinja 3.1, idtracking.py.
 */
import type { JinjaError, Value } from './values.ts'

/** What is done with a name where it stands. */
export type Use = 'load' | 'store' | 'param'

/** What a template's caller and its top level have set, by name. */
export type Variables = Map<string, Value>

/** The variables of a scope in a rendering. A name without a value is undefined. */
export class Scope {
  private readonly values = new Map<string, Value | undefined>()
  constructor(
    readonly context: Variables,
    readonly outer: Scope | undefined,
    unset: readonly string[],
    /** At the top level of the template, where what is set is seen by blocks. */
    private readonly top: boolean,
  ) {
    for (const name of unset) this.values.set(name, undefined)
  }

  get(name: string): Value | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.outer) {
      const value = scope.values.get(name)
      if (value !== undefined || scope.values.has(name)) return value
    }
    return this.context.get(name)
  }

  set(name: string, value: Value | undefined): undefined {
    this.values.set(name, value)
    if (this.top) this.context.set(name, value!)
  }

  /** The context with all that is set here and outside. */
  everything(): Variables {
    const all = this.outer ? this.outer.everything() : new Map(this.context)
    for (const [name, value] of this.values) if (value !== undefined) all.set(name, value)
    return all
  }
}

/** The names of one scope, as they are read. */
export class Names {
  /** Whether a name is set before anything else is done with it. */
  private readonly setFirst = new Map<string, boolean>()
  private unset: readonly string[] | undefined
  /** How many ifs are open: what only some branches set keeps its value from outside. */
  branches = 0
  /** The first filter or test that does not exist, outside of branches. */
  unknown: JinjaError | undefined

  /** `inLoop`: whether `break` and `continue` have a loop to end. */
  constructor(
    private readonly outer?: Names,
    readonly inLoop = false,
    private readonly top = false,
  ) {}

  mention(name: string, use: Use): void {
    if (!this.setFirst.has(name)) this.setFirst.set(name, use !== 'load' && this.branches === 0)
  }

  private knows(name: string): boolean {
    return this.setFirst.has(name) || (this.outer?.knows(name) ?? false)
  }

  /** Begins the scope in a rendering. */
  enter(outer: Scope | undefined, context: Variables = outer!.context): Scope {
    this.unset ??= [...this.setFirst.keys()].filter((name) => this.setFirst.get(name) && !this.outer?.knows(name))
    return new Scope(context, outer, this.unset, this.top)
  }
}
