/** What a running template writes to, and what it makes of its own parts: macros, and itself. */
import type { Scope } from './scope.ts'
import { Dict, Fn, fail, type Kwargs, Markup, MOST, now, room, Thing, Tuple, Undefined, type Value } from './values.ts'

/** What follows a statement: the next one, the end of the loop, or the end of its turn. */
export type Signal = undefined | 'break' | 'continue'
export type Step = (scope: Scope, out: Sink) => Signal

export class Sink {
  text = ''
  write(text: string): void {
    if (this.text.length + text.length > MOST.size) room(MOST.size + 1)
    this.text += text
  }
}

export function captured(step: Step, scope: Scope): [text: string, signal: Signal] {
  const out = new Sink()
  const signal = step(scope, out)
  return [out.text, signal]
}

/** A text that the template itself made. */
export const made = (text: string): Value => (now.escapes ? new Markup(text) : text)

/** A macro's parts, to call it with. */
export class MacroValue extends Fn {
  override readonly type = 'Macro'
  constructor(
    name: string,
    private readonly params: readonly string[],
    private readonly takes: ReadonlySet<string>,
    private readonly invoke: (values: Map<string, Value>) => Value,
  ) {
    super(name, (args, kwargs) => this.start(args, kwargs))
  }

  private start(args: Value[], kwargs: Kwargs): Value {
    const { params, takes, name } = this
    const values = new Map<string, Value>()
    const rest = new Map(kwargs)
    params.forEach((param, i) => {
      const value = i < args.length ? args[i] : rest.get(param)
      if (i >= args.length) rest.delete(param)
      if (value !== undefined) values.set(param, value)
    })
    if (takes.has('caller') && !params.includes('caller')) {
      values.set('caller', rest.get('caller') ?? new Undefined('No caller defined'))
      rest.delete('caller')
    }
    if (takes.has('kwargs')) values.set('kwargs', Dict.of(rest))
    else for (const key of rest.keys()) fail(`macro '${name}' takes no keyword argument '${key}'`)
    if (takes.has('varargs')) values.set('varargs', new Tuple(args.slice(params.length)))
    else if (args.length > params.length) fail(`macro '${name}' takes not more than ${params.length} argument(s)`)
    return this.invoke(values)
  }

  override attribute(name: string): Value | undefined {
    if (name === 'name') return this.name
    if (name === 'arguments') return new Tuple([...this.params])
    if (name === 'catch_kwargs') return this.takes.has('kwargs')
    if (name === 'catch_varargs') return this.takes.has('varargs')
    return name === 'caller' ? this.takes.has('caller') : undefined
  }

  override print(): string {
    return this.name === '' ? '<Macro anonymous>' : `<Macro '${this.name}'>`
  }
}

/** The template as it is seen by itself: its blocks by name. */
export class Self extends Thing {
  override readonly type = 'TemplateReference'
  constructor(
    private readonly blocks: ReadonlyMap<string, Step>,
    private readonly scope: Scope,
  ) {
    super()
  }
  override attribute(name: string): Value | undefined {
    const step = this.blocks.get(name)
    return step && new Fn(name, () => made(captured(step, this.scope)[0]))
  }
}
