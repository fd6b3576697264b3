import { CONTROL, NORMAL, USER_DEFINED } from './attributes.ts'

/** Ids of tokens with a part of their own; undefined where the vocabulary has none. */
export interface SpecialIds {
  readonly bos: number | undefined
  readonly eos: number | undefined
  readonly eot: number | undefined
  readonly eom: number | undefined
  readonly unk: number | undefined
  readonly sep: number | undefined
  readonly pad: number | undefined
}

/** Fill-in-the-middle tokens: what is before the gap, after it, and in it; a padding, a repository, a file. */
export type FimIds = { readonly [K in 'pre' | 'suf' | 'mid' | 'pad' | 'rep' | 'sep']: number | undefined }

// GGUF files name few of their special tokens, so some are known by their text. Source: llama.cpp's src/llama-vocab.cpp.
const END_OF_TURN = [
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<EOT>',
  '_<EOT>',
  '▁<EOT>',
  '< EOT >',
  '[EOT]',
  '<｜end▁of▁sentence｜>',
  '<end_of_utterance>',
]
/** Texts that end generation in any vocabulary. */
export const END_OF_GENERATION = [
  ...END_OF_TURN,
  '<|eom_id|>',
  '<|return|>',
  '<|call|>',
  '<|flush|>',
  '<|calls|>',
  '</s>',
  '[EOS]',
  '<eos>',
  '<turn|>',
  '<|tool_response>',
  '[e~[',
]
const END_OF_MESSAGE = ['<|eom_id|>']

/** Fill-in-the-middle tokens that end generation, by the key of their id (`tokenizer.ggml.KEY_token_id`). */
const FIM_ENDS: Record<string, string[]> = {
  fim_pad: ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]'],
  fim_rep: ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>'],
  fim_sep: ['<|file_sep|>'],
}
/** Those that do not, by the two keys of their id. */
const FIM_PARTS: Record<string, string[]> = {
  'fim_pre prefix': [
    '<|fim_prefix|>',
    '<fim-prefix>',
    '<fim_prefix>',
    '<｜fim▁begin｜>',
    '<PRE>',
    '▁<PRE>',
    '<|code_prefix|>',
    '<|prefix|>',
  ],
  'fim_suf suffix': [
    '<|fim_suffix|>',
    '<fim-suffix>',
    '<fim_suffix>',
    '<｜fim▁hole｜>',
    '<SUF>',
    '▁<SUF>',
    '<|code_suffix|>',
    '<|suffix|>',
  ],
  'fim_mid middle': [
    '<|fim_middle|>',
    '<fim-middle>',
    '<fim_middle>',
    '<｜fim▁end｜>',
    '<MID>',
    '▁<MID>',
    '<|code_middle|>',
    '<|middle|>',
  ],
}
/** gpt-oss's markers are always written out. */
const ALWAYS_WRITTEN = ['<|channel|>', '<|message|>', '<|start|>', '<|constrain|>']

/**
 * Finds the tokens that end generation, by id and by text, and makes control tokens of those known by their text.
 *
 * @param idOf the id that the metadata gives by a key
 */
export function nameSpecialTokens(
  ids: ReadonlyMap<string, number>,
  attributes: Uint8Array,
  special: SpecialIds,
  idOf: (key: string) => number | undefined,
): { eot: number | undefined; eom: number | undefined; fim: FimIds; endOfGeneration: Set<number> } {
  const known = (texts: string[]) => texts.map((text) => ids.get(text)).filter((id) => id !== undefined)
  const control = (id: number | undefined) => {
    if (id !== undefined) attributes[id]! |= CONTROL
    return id
  }
  const eot = special.eot ?? control(known(END_OF_TURN)[0])
  const eom = special.eom ?? control(known(END_OF_MESSAGE)[0])
  const fim: Record<string, number | undefined> = {}
  // A text counts only where no id is given.
  for (const [keys, texts] of Object.entries({ ...FIM_PARTS, ...FIM_ENDS })) {
    const [key, older] = keys.split(' ')
    fim[key!.slice(4)] = idOf(key!) ?? (older ? idOf(older) : undefined) ?? control(known(texts)[0])
  }
  const ends = new Set<number>()
  const add = (id: number | undefined) => {
    if (id !== undefined) ends.add(id)
  }
  for (const id of [fim.pad, fim.rep, fim.sep]) add(id)
  for (const id of known(END_OF_GENERATION)) add(control(id))
  for (const id of known(ALWAYS_WRITTEN)) attributes[id] = USER_DEFINED
  for (const id of [special.eos, eot, eom]) add(id)

  const ending = (text: string) => {
    const id = ids.get(text)
    return id !== undefined && ends.has(id) ? id : undefined
  }
  // Where an answer is made of several messages, <|end|> closes one of them only.
  const end = ending('<|end|>')
  const calls = ending('<|call|>') ?? ending('<|calls|>')
  if (end !== undefined && calls !== undefined && (ending('<|return|>') ?? ending('<|flush|>')) !== undefined) {
    ends.delete(end)
    attributes[end] = USER_DEFINED
  }
  const stroke = ending('</s>')
  if (stroke !== undefined && (ending('<|tool_response>') ?? ending('<|plamo:eos|>')) !== undefined) {
    ends.delete(stroke)
    attributes[stroke] = NORMAL
  }
  return { eot, eom, fim: fim as FimIds, endOfGeneration: ends }
}
