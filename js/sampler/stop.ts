/** Ends a stream of text at the first of several stop strings, wherever the pieces are cut. */
import { ArgumentError } from '../errors.ts'

/**
 * Text goes in piece by piece and comes out as soon as it cannot become part of a stop string. The match that begins
 * earliest wins, the shortest of those that begin there; so the text that comes out does not depend on how it was cut.
 */
export class StopMatcher {
  private readonly stops: readonly string[]
  /** The end of the text so far that may be the start of a stop string. */
  private held = ''
  /** The stop string met, if any. */
  stopped: string | undefined

  /** Throws ArgumentError unless `stops` are non-empty strings. */
  constructor(stops: readonly string[]) {
    if (!Array.isArray(stops)) throw new ArgumentError('INVALID_OPTION', 'stop must be a list of texts.', stops)
    stops.forEach((stop: unknown, i) => {
      if (typeof stop !== 'string' || stop === '') {
        throw new ArgumentError('INVALID_OPTION', `stop[${i}] must be a text of at least one character.`, stop)
      }
    })
    this.stops = [...stops]
  }

  /**
   * Takes the next piece. `text` is what may be shown now; `stopped` is the stop string met, after which no text comes.
   */
  push(piece: string): { text: string; stopped?: string } {
    if (this.stopped !== undefined) return { text: '', stopped: this.stopped }
    const text = this.held + piece
    const match = this.firstMatch(text)
    const hold = this.startOfPossibleStop(text)
    // A longer stop string that began earlier may still be completed: wait for it.
    if (match && match.at <= hold) {
      this.held = ''
      this.stopped = match.stop
      return { text: text.slice(0, match.at), stopped: match.stop }
    }
    this.held = text.slice(hold)
    return { text: text.slice(0, hold) }
  }

  /** The text held back, when no more will come; a stop string in it still ends it, and sets `stopped`. */
  flush(): string {
    const text = this.held
    this.held = ''
    const match = this.firstMatch(text)
    if (!match) return text
    this.stopped = match.stop
    return text.slice(0, match.at)
  }

  private firstMatch(text: string): { at: number; stop: string } | undefined {
    let first: { at: number; stop: string } | undefined
    for (const stop of this.stops) {
      const at = text.indexOf(stop)
      if (at < 0) continue
      if (!first || at < first.at || (at === first.at && stop.length < first.stop.length)) first = { at, stop }
    }
    return first
  }

  /** Where the longest end of the text that begins a stop string starts; the text's length if there is none. */
  private startOfPossibleStop(text: string): number {
    let start = text.length
    for (const stop of this.stops) {
      for (let i = Math.max(0, text.length - stop.length + 1); i < start; i++) {
        if (stop.startsWith(text.slice(i))) {
          start = i
          break
        }
      }
    }
    return start
  }
}
