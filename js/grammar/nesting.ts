/** Recursion as deep as a grammar is nested. */

import { GrammarError } from '../errors.ts'

/** @throws GrammarError where `run` needs more of the stack than the engine has */
export function nested<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    // V8 and JavaScriptCore; SpiderMonkey.
    const { name, message } = error as Error
    if (!(name === 'RangeError' && /call stack/.test(message)) && name !== 'InternalError') throw error
    throw new GrammarError('GRAMMAR_COMPLEX', 'The grammar is nested more deeply than this engine can follow.')
  }
}
