/** Provides the compiler of grammars as a chunk that is imported when it is used. */

import { provideGrammars } from './grammars.ts'

export function provideLate(): void {
  provideGrammars(() => import('../js/grammar/grammar.ts'))
}
