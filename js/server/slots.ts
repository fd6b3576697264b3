/**
 * `/slots`: llama-server's view of what a model computes. Here a slot is a number that an answer has while it is computed;
 * the cache belongs to all of them.
 */
import type { GenerateResult, ModelInfo } from '../api/types.ts'
import type { Listener } from './run.ts'
import type { Measured } from './timings.ts'

interface SlotTask {
  id: number
  measured: Measured
  /** Tokens that may still come; -1: no limit. */
  most: number | undefined
  settings(): object
}

/** The ids of a text, made when they are asked for. */
type Text = () => readonly number[]

export class Slots {
  private readonly tasks: (SlotTask | undefined)[]
  /** What each slot computed last. */
  private readonly texts = new Map<number, Text>()
  private taken = 0

  /** @param count of slots */
  constructor(readonly count: number) {
    this.tasks = Array.from({ length: count }, () => undefined)
  }

  get idle(): number {
    return this.tasks.filter((task) => !task).length
  }

  /** The first idle one, or the one that is asked for where it is idle. More run at once where one was preempted. */
  take(measured: Measured, asked: number | undefined, more: Pick<SlotTask, 'most' | 'settings'>): number {
    const idle =
      asked !== undefined && asked in this.tasks && !this.tasks[asked] ? asked : this.tasks.indexOf(undefined)
    const slot = idle < 0 ? this.tasks.length : idle
    if (idle >= 0) this.tasks[slot] = { id: this.taken, measured, ...more }
    this.taken++
    return slot
  }

  /** @param text what it has computed, where that came to its end */
  leave(slot: number, text: Text | undefined): void {
    if (slot >= this.tasks.length) return
    this.tasks[slot] = undefined
    this.hold(slot, text)
  }

  isBusy(slot: number): boolean {
    return this.tasks[slot] !== undefined
  }

  hold(slot: number, text: Text | undefined): void {
    if (text) this.texts.set(slot, text)
    else this.texts.delete(slot)
  }

  text(slot: number): readonly number[] | undefined {
    return this.texts.get(slot)?.()
  }

  describe({ context }: ModelInfo): object[] {
    return this.tasks.map((task, id) => ({
      id,
      n_ctx: context,
      speculative: false,
      is_processing: task !== undefined,
      ...(task && describeTask(task)),
    }))
  }
}

function describeTask({ id, measured, most, settings }: SlotTask): object {
  const { promptTokens, processedTokens, cachedTokens, completionTokens } = measured
  const remain = most === undefined ? -1 : most - completionTokens
  return {
    id_task: id,
    n_prompt_tokens: promptTokens,
    n_prompt_tokens_processed: processedTokens - cachedTokens,
    n_prompt_tokens_cache: cachedTokens,
    params: settings(),
    next_token: [{ has_next_token: remain !== 0, n_remain: remain, n_decoded: completionTokens }],
  }
}

/** The slots of one request's choices. */
export class RequestSlots implements Listener {
  private readonly taken = new Map<number, number>()

  /**
   * @param task what is told of a choice
   * @param promptIds the tokens of its prompt
   */
  constructor(
    private readonly slots: Slots,
    private readonly asked: number | undefined,
    private readonly task: (index: number) => Pick<SlotTask, 'most' | 'settings'>,
    private readonly promptIds: (index: number) => readonly number[],
  ) {}

  /** The slot of a choice, also when it is over. */
  of(index: number): number {
    return this.taken.get(index) ?? 0
  }

  onProgress(index: number, progress: Measured): void {
    if (!this.taken.has(index)) this.taken.set(index, this.slots.take(progress, this.asked, this.task(index)))
  }

  onEnd(index: number, result: GenerateResult | undefined): void {
    const slot = this.taken.get(index)
    // The last token is not in the cache.
    const text = result && (() => [...this.promptIds(index), ...result.ids.slice(0, -1)])
    if (slot !== undefined) this.slots.leave(slot, text)
  }
}
