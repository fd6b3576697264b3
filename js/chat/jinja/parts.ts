/** What a running template writes to, and what it makes of its own parts: macros, and itself. */
import type { Scope, Variables } from './scope.ts'
import {
  Dict,
  Fn,
  fail,
  type Kwargs,
  Markup,
  MOST,
  missingName,
  now,
  room,
  Thing,
  Tuple,
  type Value,
} from './values.ts'

/** What follows a statement: the next one, the end of the loop, or the end of its turn. */
export type Signal = undefined | 'break' | 'continue'
export type Step = (scope: Scope, write: Write) => Signal

export type Write = (text: string) => undefined

/** What is written, and how it ended. */
export function captured(run: (write: Write) => Signal): [text: string, signal: Signal] {
  let text = ''
  const signal = run((part) => {
    if (text.length + part.length > MOST.size) room(MOST.size + 1)
    text += part
    return undefined
  })
  return [text, signal]
}

/** A text that the template itself made. */
export const made = (text: string): Value => (now.escapes ? new Markup(text) : text)

/** A macro. `takes`: what it takes beside its parameters; `render` gets the value of each, if there is one. */
export function macro(
  name: string,
  params: readonly string[],
  takes: readonly string[],
  render: (values: Map<string, Value | undefined>) => Value,
): Fn {
  const call = (args: Value[], kwargs: Kwargs) => {
    const rest = new Map<string, Value>(kwargs)
    const values = new Map<string, Value | undefined>()
    params.forEach((param, i) => {
      values.set(param, i < args.length ? args[i] : rest.get(param))
      if (i >= args.length) rest.delete(param)
    })
    if (takes.includes('caller') && !params.includes('caller')) {
      values.set('caller', rest.get('caller') ?? missingName('caller'))
      rest.delete('caller')
    }
    if (takes.includes('kwargs')) values.set('kwargs', new Dict(rest))
    else for (const key of rest.keys()) fail(`${name}() has no argument '${key}'`)
    if (takes.includes('varargs')) values.set('varargs', new Tuple(args.slice(params.length)))
    else if (args.length > params.length) fail(`${name}() takes at most ${params.length} arguments`)
    return render(values)
  }
  return new Fn(name, call, 'Macro', {
    name: () => name,
    arguments: () => new Tuple([...params]),
    catch_kwargs: () => takes.includes('kwargs'),
    catch_varargs: () => takes.includes('varargs'),
    caller: () => takes.includes('caller'),
    __str__: () => (name === '' ? '<Macro anonymous>' : `<Macro '${name}'>`),
  })
}

/** A block of the template, in a scope of its own. */
export type Block = (context: Variables, write: Write) => Signal

/** The template as it is seen by itself: its blocks by name. */
export function self(blocks: ReadonlyMap<string, Block>, context: Variables): Thing {
  const call = (block: Block) => made(captured((write) => block(context, write))[0])
  const entries = Array.from(blocks, ([name, block]) => [name, () => new Fn(name, () => call(block))])
  return new Thing('TemplateReference', Object.fromEntries(entries))
}
