/** Reads a text that arrives in pieces: a step that needs more than is there yields, and goes on with the next piece. */

import { wordsOf } from './format.ts'

/** A step of reading; it yields where the text so far does not decide. */
export type ScanStep<T> = Generator<undefined, T, undefined>

const BLANK = /\s/
/** Characters. */
const SETTLED = 4096

export class Scanner {
  text = ''
  at = 0
  /** No more text comes. */
  ended = false
  /** It was cut: what may be the beginning of a mark is none of the text. */
  cut = false
  /** A step has looked for more than there was. */
  starved = false

  get rest(): string {
    return this.text.slice(this.at)
  }

  /** Whether there is a character at an offset from here. */
  *has(offset = 0): ScanStep<boolean> {
    while (this.at + offset >= this.text.length) {
      if (this.ended) {
        this.starved = true
        return false
      }
      yield
    }
    return true
  }

  *skipBlanks(also = ''): ScanStep<void> {
    while (yield* this.has()) {
      const char = this.text[this.at]!
      if (!BLANK.test(char) && !also.includes(char)) return
      this.at++
    }
  }

  /** The character here, behind blanks; undefined at the end. */
  *peek(): ScanStep<string | undefined> {
    yield* this.skipBlanks()
    return this.text[this.at]
  }

  /** Takes a text that comes next. Nothing is taken where it does not. */
  *take(text: string): ScanStep<boolean> {
    for (let i = 0; i < text.length; i++) {
      if (!(yield* this.has(i)) || this.text[this.at + i] !== text[i]) return false
    }
    this.at += text.length
    return true
  }

  /** Takes a mark, with the blanks before it; between its words there may be any blanks. */
  *mark(text: string): ScanStep<boolean> {
    const { at } = this
    for (const word of wordsOf(text)) {
      yield* this.skipBlanks()
      if (yield* this.take(word)) continue
      this.at = at
      return false
    }
    return true
  }

  /** Forgets what has been read, so that long texts stay cheap. No place before here may be gone back to. */
  settle(): void {
    if (this.at < SETTLED) return
    this.text = this.rest
    this.at = 0
  }

  /** Takes what stands before the first of some marks; `heard` gets it as it comes. The mark is left; undefined at the end. */
  *until(marks: readonly string[], heard: (text: string) => void): ScanStep<string | undefined> {
    for (;;) {
      const { rest } = this
      let [place, found] = [Number.POSITIVE_INFINITY, undefined as string | undefined]
      for (const mark of marks) {
        const index = rest.indexOf(mark)
        if (index < 0 || index > place || (index === place && mark.length < found!.length)) continue
        ;[place, found] = [index, mark]
      }
      const sure = Math.min(place, this.ended && !this.cut ? rest.length : firstPrefix(rest, marks))
      if (sure > 0) heard(rest.slice(0, sure))
      this.at += sure
      if (sure === place) return found
      if (this.ended) {
        this.starved = true
        this.at = this.text.length
        return undefined
      }
      yield
    }
  }
}

/** Where the end of a text may be the beginning of a mark, and is not yet the whole of it. */
function firstPrefix(text: string, marks: readonly string[]): number {
  const longest = Math.max(...marks.map((mark) => mark.length), 1)
  for (let from = Math.max(0, text.length - longest + 1); from < text.length; from++) {
    const end = text.slice(from)
    if (marks.some((mark) => mark.startsWith(end))) return from
  }
  return text.length
}
