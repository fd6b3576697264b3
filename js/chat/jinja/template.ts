/**
 * Jinja2 3.1 as transformers sets it up: an immutable sandbox with trim_blocks, lstrip_blocks and loop controls, and its
 * own tojson. No text of a template is ever run as code.
 */
import { fromJs } from './convert.ts'
import { GLOBALS } from './globals.ts'
import { parse } from './parser.ts'
import type { Variables } from './scope.ts'
import { begin, JinjaError, now, TOO_DEEP } from './values.ts'

/** A template, read once and rendered many times. */
export interface JinjaTemplate {
  /** The text for some variables. Throws JinjaError with the line; errors of the caller's functions come as they are. */
  render(variables: Readonly<Record<string, unknown>>): string
}

/** Reads a template. Throws JinjaError where it is no valid Jinja. */
export function readTemplate(source: string): JinjaTemplate {
  begin()
  const render = withLine(() => parse(source))
  return {
    render(variables) {
      begin()
      return withLine(() => {
        const context: Variables = new Map(GLOBALS)
        for (const [name, value] of Object.entries(variables)) context.set(name, fromJs(value))
        return render(context)
      })
    },
  }
}

function withLine<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    // Engines differ in the error of a full stack.
    const full = error instanceof RangeError || (error instanceof Error && /recursion/i.test(error.message))
    if (!(error instanceof JinjaError) && full) throw new JinjaError(TOO_DEEP, now.line)
    if (error instanceof JinjaError && error.line === 0) error.line = now.line
    throw error
  }
}
