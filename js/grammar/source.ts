/** What a text has to be, as plain data. */

/** What a text has to be: one of these. */
export interface GrammarSource {
  /** A JSON Schema: the text is a value that it allows. Properties come in the order in which the schema names them. */
  readonly jsonSchema?: unknown
  /** Any value of JSON. */
  readonly json?: true
  /** Of both: without blanks between the parts. By default there may be some, as a model likes. */
  readonly compact?: boolean
  /** A grammar in llama.cpp's notation, which begins at the rule `root`. */
  readonly gbnf?: string
  /** A regular expression of ECMAScript, which the whole text matches. */
  readonly regex?: string
  /** A text of several parts. @internal */
  readonly parts?: GrammarPart
  /** Texts of special tokens that stand for themselves, within `parts`. @internal */
  readonly marks?: readonly string[]
}

/** A part of a text; plain data, which crosses to workers. @internal */
export type GrammarPart =
  /** As it is. */
  | string
  /** One after another. */
  | { readonly all: readonly GrammarPart[] }
  /** One of them. */
  | { readonly any: readonly GrammarPart[] }
  /** Any number. */
  | { readonly some: GrammarPart; readonly min?: number; readonly max?: number }
  /** Any text in which none of some texts, or of some expressions, stands. */
  | { readonly until: readonly string[]; readonly patterns?: readonly string[]; readonly like?: string }
  /** `of`: whose errors are told under this name. */
  | { readonly jsonSchema: unknown; readonly compact?: boolean; readonly of?: string }
  | { readonly json: true; readonly compact?: boolean }
  | { readonly gbnf: string }
  | { readonly regex: string }

/** The part that a grammar of its own is. */
export function partOf({ jsonSchema, compact = false, gbnf, regex, parts }: GrammarSource): GrammarPart {
  if (parts !== undefined) return parts
  if (gbnf !== undefined) return { gbnf }
  if (regex !== undefined) return { regex }
  return jsonSchema === undefined ? { json: true, compact } : { jsonSchema, compact }
}
