/** How many rows a pass gets, by the time of the last passes. The budget decides when rows are computed, never their bits. */
import { TILE } from '../../assembly/layout.ts'

/** A pass with prefill rows may take at most this many times as long as a decode-only pass. */
const STRETCH = 2.5
/** Rows of the first pass, whose time is not known. */
const FIRST_ROWS = 8

export class TokenBudget {
  /** Milliseconds a row in the last pass of many rows; 0 where the clock stood still. */
  private row = 0
  /** Milliseconds of the last decode-only pass. */
  private tick = 0

  /** `batch`: most rows of a pass; `passMs`: see SchedulerOptions. */
  constructor(
    private readonly batch: number,
    private readonly passMs?: number,
  ) {}

  /** Most rows of a pass: as passMs allows, and at least the `decoding` rows that fit a tile. */
  mostRows(decoding: number): number {
    const { batch, passMs } = this
    if (passMs === undefined) return batch
    const rows = this.row === 0 ? FIRST_ROWS : Math.floor(passMs / this.row)
    return Math.min(batch, Math.max(1, rows, Math.min(decoding, TILE)))
  }

  /** Prefill rows beside `decoding` sequences, which should not stall: whole tiles together with theirs. */
  prefillRows(decoding: number): number {
    if (decoding === 0 || this.row === 0) return this.batch
    const alone = Math.max(this.tick, this.row * decoding)
    const rows = Math.floor((STRETCH * alone) / this.row / TILE) * TILE
    const least = Math.ceil((decoding + 1) / TILE) * TILE
    return Math.max(rows, least) - decoding
  }

  /** Notes the time of a pass, and whether it had prefill rows. */
  note(milliseconds: number, rows: number, prefill: boolean): void {
    if (!prefill) this.tick = milliseconds
    const each = milliseconds / rows
    // A row of a small pass takes longer: if it was faster all the same, the older measurement is out of date.
    if (rows >= TILE || this.row === 0 || each < this.row) this.row = each
  }
}
