/** Where tokens begin in the text that they make, in characters: `text_offset` of `/v1/completions`. */
import type { Model } from '../api/types.ts'

export class Offsets {
  private at = 0
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true })

  /** @param continued whether there is text before: else a first word goes without SentencePiece's space */
  constructor(
    private readonly model: Model,
    private continued: boolean,
  ) {}

  /** Of tokens that go on from those before; within a character, where that begins. */
  next(tokens: readonly { id: number }[]): number[] {
    return tokens.map(({ id }) => {
      const begin = this.at
      const length = (continued: boolean) => this.model.detokenize([id], { special: true, continued }).length
      if (!this.continued) this.at -= length(true) - length(false)
      this.continued = true
      this.at += this.decoder.decode(this.model.tokenBytes(id, { special: true }), { stream: true }).length
      return begin
    })
  }

  /** Of a prompt's tokens, whose text has `length` characters: what it does not show, BOS and a first space, lies before. */
  prompt(tokens: readonly { id: number }[], length: number): number[] {
    const offsets = this.next(tokens)
    const hidden = this.at - length
    this.at = length
    this.continued = length > 0
    return offsets.map((offset) => Math.max(0, offset - hidden))
  }
}
