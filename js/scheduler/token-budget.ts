/** How many rows a pass should have, going by how long the last ones took. It decides when things are computed, never what. */
import { TILE } from '../../assembly/layout.ts'

/** A pass that holds prompts should take no longer than this many without. */
const STRETCH = 2.5
/** Rows of the first pass, whose time is not known. */
const FIRST_ROWS = 8

export class Pace {
  /** Milliseconds a row took in the last pass with many; 0 where the clock does not tell. */
  private row = 0
  /** Milliseconds of the last pass without prompts. */
  private tick = 0

  /** `batch`: most rows of a pass; `passMs`: see SchedulerOptions. */
  constructor(
    private readonly batch: number,
    private readonly passMs?: number,
  ) {}

  /** Rows of a pass: what passMs allows, and as many tokens as a tile takes at once. */
  mostRows(generating: number): number {
    const { batch, passMs } = this
    if (passMs === undefined) return batch
    const rows = this.row === 0 ? FIRST_ROWS : Math.floor(passMs / this.row)
    return Math.min(batch, Math.max(1, rows, Math.min(generating, TILE)))
  }

  /** Rows for prompts beside `generating` sequences, which should not stall: whole tiles together with theirs. */
  promptRows(generating: number): number {
    if (generating === 0 || this.row === 0) return this.batch
    const alone = Math.max(this.tick, this.row * generating)
    const rows = Math.floor((STRETCH * alone) / this.row / TILE) * TILE
    const least = Math.ceil((generating + 1) / TILE) * TILE
    return Math.max(rows, least) - generating
  }

  /** Tells how long a pass took, and whether it held prompts. */
  note(milliseconds: number, rows: number, reading: boolean): void {
    if (!reading) this.tick = milliseconds
    const each = milliseconds / rows
    // Few rows take longer each: if they are faster all the same, what was measured before is no longer true.
    if (rows >= TILE || this.row === 0 || each < this.row) this.row = each
  }
}
