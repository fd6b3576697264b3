/** The prompt of `/infill`: fill-in-the-middle, as llama-server puts it together. */
import type { Model } from '../api/types.ts'
import { ApiError } from './errors.ts'
import type { InfillBody } from './schemas.ts'

/** What llama-server puts between the parts of a context where the vocabulary has no token for files. */
const SNIPPET = '\n\n--- snippet ---\n\n'

/**
 * The token ids of an infill: the repository's other files, then what is before the gap, what is after it, and the beginning of
 * what is to fill it. As much of the other files as the context has room for, the last of them.
 * @param predict most tokens of the answer
 * @throws ApiError 501 where the vocabulary has no tokens for it
 */
export function infillPrompt(body: InfillBody, model: Model, predict: number | undefined): number[] {
  const { input_prefix: before, input_suffix: after, input_extra: files = [], prompt = '' } = body
  const { tokenizer, info } = model
  const { pre, suf, mid, rep, sep } = tokenizer.fim
  if (pre === undefined || suf === undefined || mid === undefined) {
    const message = `${info.name} has no tokens to fill in the middle with; /infill needs a model that was trained for it.`
    throw new ApiError(501, 'infill_not_supported', message)
  }
  const text = (content: string, special = false): number[] => model.tokenize(content, { bos: false, special })
  const file = (name: string): number[] => (sep === undefined ? text(SNIPPET) : [sep, ...text(`${name}\n`)])
  const extra = [
    ...(rep === undefined ? [] : [rep, ...text('myproject\n')]),
    ...files.flatMap(({ text: content, filename = 'tmp' }) => [...file(filename), ...text(content)]),
    ...(sep === undefined ? [] : file('filename')),
  ]
  const bos = model.tokenize('').filter((id) => id === tokenizer.bos)
  const rest = [...bos, pre, ...text(before), ...text(prompt, true), suf, ...text(after), mid]
  const room = info.context - rest.length - (predict ?? 0)
  return [...(room > 0 ? extra.slice(-room) : []), ...rest]
}
