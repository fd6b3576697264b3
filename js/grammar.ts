/** cria/grammar: what a text has to be, by a JSON Schema, a grammar or a regular expression. */

export { ArgumentError, CriaError, GrammarError } from './errors.ts'
export { compileGrammar, type Grammar, type GrammarSource, type GrammarState } from './grammar/grammar.ts'
