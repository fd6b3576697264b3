/** Where tokens begin in the text that they make: `text_offset` of `/v1/completions`. */
import type { Model } from '../api.ts'

/** Most tokens that one character is made of. */
const LONGEST = 4

export class Offsets {
  /** Characters before `open`, the tokens of a character that is not whole yet, and those of them that are. */
  private at = 0
  private open: number[] = []
  private shown = 0

  /** @param continued whether there is text before: else a first word goes without SentencePiece's space */
  constructor(
    private readonly model: Model,
    private continued: boolean,
  ) {}

  /** Of tokens that go on from those before, in characters. */
  next(tokens: readonly { id: number }[]): number[] {
    return tokens.map(({ id }) => {
      const { open, continued } = this
      const begin = this.at + this.shown
      open.push(id)
      const text = this.model.detokenize(open, { special: true, continued })
      const whole = text.replace(/\ufffd+$/, '')
      this.shown = whole.length
      if (whole === text || open.length === LONGEST) this.close(text.length)
      return begin
    })
  }

  /** Of a prompt's tokens, whose text has `length` characters: what it does not show, BOS and a first space, lies before. */
  prompt(tokens: readonly { id: number }[], length: number): number[] {
    const offsets = this.next(tokens)
    const hidden = this.at + this.shown - length
    this.at = 0
    this.close(length)
    this.continued = length > 0
    return offsets.map((offset) => Math.max(0, offset - hidden))
  }

  private close(length: number): void {
    this.at += length
    this.open = []
    this.shown = 0
    this.continued = true
  }
}
