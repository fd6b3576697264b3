/** The compiler of grammars, for leaders: it comes with the first text that is constrained. */

import { UnsupportedError } from '../js/errors.ts'
import type { compileGrammar } from '../js/grammar/grammar.ts'

interface Grammars {
  readonly compileGrammar: typeof compileGrammar
}

let provided: (() => Promise<Grammars>) | undefined

/** Says where the compiler comes from. */
export function provideGrammars(load: () => Promise<Grammars>): void {
  provided = load
}

/** @throws UnsupportedError in a page's workers: bundlers split no code off them */
export async function importGrammars(): Promise<Grammars> {
  if (provided) return provided()
  const message =
    'The workers of a page have no grammars yet: load the model with inProcess: true, or import cria/inline in place of cria.'
  throw new UnsupportedError('NO_GRAMMARS', message)
}
