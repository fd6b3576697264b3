/** How a model writes reasoning and calls: found from its chat template, read by reader.ts, enforced by js/grammar/message.ts. */

/** Texts around something; those of blanks alone are empty. */
export type Marks = readonly [open: string, close: string]

/** The words of a mark: what stands between them is a matter of taste. */
export function wordsOf(mark: string): string[] {
  return mark.split(/\s+/).filter(Boolean)
}

/** How the calls of a message are written. */
export interface CallFormat {
  /**
   * `object`: `{"name": N, "arguments": {…}}`; `keyed`: `{N: {…}}`; `named`: a name, then JSON; `tagged`: a name, then each argument
   * between marks; `python`: `N(a=1, b="x")`; `gemma`: `N{a:1,b:<|"|>x<|"|>}`.
   */
  readonly kind: 'object' | 'keyed' | 'named' | 'tagged' | 'python' | 'gemma'
  /** Around all calls of a message, which blanks and commas part; undefined where each call stands for itself. */
  readonly section?: Marks | undefined
  /** Around each call. */
  readonly call: Marks
  /** The template writes one call a message at most. */
  readonly single?: boolean | undefined
  /** Keys of `object`; `id` where the model writes one. */
  readonly keys?: { readonly name: string; readonly arguments: string; readonly id?: string | undefined } | undefined
  /** Between the name (and id) of `named` and its arguments; behind the name of `tagged`. */
  readonly afterName?: string | undefined
  /** Between the name and the id of `named`. */
  readonly beforeId?: string | undefined
  /** A counter ends the name of `named`, which with it is the id. */
  readonly counted?: boolean | undefined
  /** Of each argument of `tagged`: before its name, between it and its value, and behind that. */
  readonly argument?: readonly [open: string, between: string, close: string] | undefined
  /** Stands between the marks and the values of `tagged`: a line break, or nothing. */
  readonly padding?: string | undefined
}

export interface OutputFormat {
  /**
   * `plain`: reasoning, content and calls follow each other. `channels`: each part has a header, as in gpt-oss. `recipients`: each
   * part begins with whom it is for, as in Functionary 3.2.
   */
  readonly layout: 'plain' | 'channels' | 'recipients'
  readonly reasoning?: Marks | undefined
  /** Around content, where it has marks of its own. */
  readonly answer?: Marks | undefined
  readonly calls?: CallFormat | undefined
}

/** The texts of special tokens that must be seen, should the vocabulary have such. */
export function preservedTexts({ layout, reasoning, answer, calls }: OutputFormat): string[] {
  const { section = [], call = [], afterName = '', beforeId = '', argument = [] } = calls ?? {}
  const texts = [...(reasoning ?? []), ...(answer ?? []), ...section, ...call, afterName, beforeId, ...argument]
  const channels = ['<|channel|>', '<|message|>', '<|constrain|>', '<|start|>', '<|end|>']
  const others = layout === 'channels' ? channels : calls?.kind === 'gemma' ? ['<|"|>'] : []
  // A mark may be several tokens.
  const parts = texts.flatMap((text) => [text, ...(text.match(/<[^<>]*>|\[[A-Z_]+\]/g) ?? [])])
  return [...new Set([...parts, ...others])].filter(Boolean)
}
