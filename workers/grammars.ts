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

/** @throws UnsupportedError in the workers of a page that did not ask for them: bundlers split no code off workers */
export async function importGrammars(): Promise<Grammars> {
  if (provided) return provided()
  const message = 'The workers of this page came without grammars: load the model with grammars: true.'
  throw new UnsupportedError('NO_GRAMMARS', message)
}
