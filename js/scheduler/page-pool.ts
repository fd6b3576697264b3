/**
 * Who holds which page of the KV cache, and what is in it. Pages form a tree: a path from the root is a text that was
 * computed, PAGE tokens a step, and sequences that begin alike share the pages of what they have in common. A page that
 * nobody holds stays until its place is needed, the one used longest ago first.
 *
 * By the first contract (docs/ARCHITECTURE.md) a token's keys and values are the same bits whoever computed them, so that
 * finding them is as good as computing them. Texts are compared token by token: no two can be taken for each other.
 */

import { PAGE } from '../../assembly/layout.ts'
import type { PageCounts } from './types.ts'

export interface Page {
  readonly index: number
  /** The one before it; undefined at the beginning of a text, and where nobody finds the page. */
  parent: Page | undefined
  /** Of its positions, as far as they are computed. Only full pages have children. */
  tokens: number[]
  readonly children: Page[]
  /** Sequences that hold it. */
  refs: number
  /** When it was let go. */
  used: number
  /** Whether others may find it. */
  open: boolean
}

/** The pages of a sequence's first tokens, and how many tokens these are. */
export interface Prefix {
  pages: Page[]
  tokens: number
}

export class PagePool {
  private readonly roots: Page[] = []
  private readonly pages = new Set<Page>()
  private readonly free: number[] = []
  private clock = 0

  /** `copy` copies the contents of one page to another, by their indices. */
  constructor(
    private readonly total: number,
    private readonly copy: (from: number, to: number) => void,
  ) {
    for (let index = total - 1; index >= 0; index--) this.free.push(index)
  }

  get counts(): PageCounts {
    const { total } = this
    const free = this.free.length
    let cached = 0
    for (const { refs } of this.pages) if (refs === 0) cached++
    return { total, free, cached, used: total - free - cached }
  }

  /** The longest prefix of `ids`, of at most `limit` tokens, that is there. Its last page may hold more than is common. */
  find(ids: readonly number[], limit: number): Prefix {
    const pages: Page[] = []
    let tokens = 0
    for (let level = this.roots; tokens < limit; ) {
      let best: Page | undefined
      let most = 0
      for (const page of level) {
        const common = commonPrefix(page.tokens, ids, tokens, limit)
        if (common > most) {
          most = common
          best = page
        }
      }
      if (!best) break
      pages.push(best)
      tokens += most
      if (most < PAGE) break
      level = best.children
    }
    return { pages, tokens }
  }

  /** Finds a prefix and holds its pages. The last one is the holder's own to write to, unless it is full. */
  hold(ids: readonly number[], limit: number): Prefix {
    const { pages, tokens } = this.find(ids, limit)
    for (const page of pages) page.refs++
    const last = pages.at(-1)
    const kept = tokens - (pages.length - 1) * PAGE
    if (!last || kept === PAGE || (last.refs === 1 && last.tokens.length === kept)) return { pages, tokens }
    // The texts part within the page, or somebody else writes to it.
    const own = this.take(last.parent)
    if (own) {
      this.copy(last.index, own.index)
      own.tokens = last.tokens.slice(0, kept)
      pages[pages.length - 1] = own
      this.let(last)
      return { pages, tokens }
    }
    if (last.refs === 1) {
      // No page is free, so it has no children any more.
      last.tokens.length = kept
      return { pages, tokens }
    }
    pages.pop()
    this.let(last)
    return { pages, tokens: tokens - kept }
  }

  /** Holds a new page after the last one; undefined where all are held. */
  extend(pages: Page[]): Page | undefined {
    const page = this.take(pages.at(-1))
    if (page) pages.push(page)
    return page
  }

  /** Tokens that were computed after those that the pages hold already, `before` of them. */
  append(pages: readonly Page[], before: number, ids: readonly number[]): void {
    for (const [i, id] of ids.entries()) pages[Math.floor((before + i) / PAGE)]!.tokens.push(id)
  }

  /** Lets pages go, which stay to be found. */
  release(pages: readonly Page[]): void {
    for (const page of [...pages].reverse()) this.let(page)
  }

  /**
   * Makes pages, from the one at `first` on, their holder's own, which nobody finds: what they hold will be changed.
   * @returns false where no page is left for a copy; then all are as they were
   */
  own(pages: Page[], first: number): boolean {
    const copies: Page[] = []
    for (const page of pages.slice(first)) {
      if (page.refs === 1) continue
      const copy = this.take(undefined)
      if (!copy) {
        this.release(copies)
        return false
      }
      this.hide(copy)
      copies.push(copy)
    }
    for (let i = first; i < pages.length; i++) {
      const page = pages[i]!
      if (page.refs === 1) this.hide(page)
      else {
        const copy = copies.shift()!
        this.copy(page.index, copy.index)
        copy.tokens = [...page.tokens]
        pages[i] = copy
        this.let(page)
      }
    }
    return true
  }

  /** Nothing that was computed so far is found any more. */
  forget(): void {
    this.roots.length = 0
    for (const page of [...this.pages]) {
      page.open = false
      if (page.refs === 0) this.drop(page)
    }
  }

  /** A text is not found any more, from its end back to a page that somebody holds or that other texts have too. */
  forgetText(ids: readonly number[]): void {
    // Texts that were computed side by side have pages of their own.
    for (let dropped = true; dropped; ) {
      const { pages, tokens } = this.find(ids, ids.length)
      dropped = false
      let end = tokens - (pages.length - 1) * PAGE
      for (const page of pages.reverse()) {
        const shared = page.refs > 0 || page.children.length > 0 || page.tokens.length > end
        if (shared) break
        this.drop(page)
        dropped = true
        end = PAGE
      }
    }
  }

  private let(page: Page): void {
    page.refs--
    page.used = ++this.clock
    if (page.refs === 0 && !(page.open && page.tokens.length > 0)) this.drop(page)
  }

  private take(parent: Page | undefined): Page | undefined {
    const index = this.free.pop() ?? this.evict()
    if (index === undefined) return undefined
    const open = parent?.open ?? true
    const page: Page = { index, parent: open ? parent : undefined, tokens: [], children: [], refs: 1, used: 0, open }
    this.pages.add(page)
    if (open) (parent?.children ?? this.roots).push(page)
    return page
  }

  /** The index of a page that was of use to nobody for the longest time. Those after it go before it. */
  private evict(): number | undefined {
    let oldest: Page | undefined
    for (const page of this.pages) {
      if (page.refs > 0 || page.children.length > 0) continue
      if (!oldest || page.used < oldest.used) oldest = page
    }
    if (!oldest) return undefined
    this.drop(oldest)
    return this.free.pop()
  }

  private drop(page: Page): void {
    this.hide(page)
    this.pages.delete(page)
    this.free.push(page.index)
  }

  /** Nobody finds the page, nor what came after it. */
  private hide(page: Page): void {
    page.open = false
    const siblings = page.parent?.children ?? this.roots
    const at = siblings.indexOf(page)
    if (at >= 0) siblings.splice(at, 1)
    page.parent = undefined
  }
}

/** How many of `tokens` agree with `ids` from `at` on, up to `limit`. */
function commonPrefix(tokens: readonly number[], ids: readonly number[], at: number, limit: number): number {
  const most = Math.min(tokens.length, limit - at)
  let i = 0
  while (i < most && tokens[i] === ids[at + i]) i++
  return i
}
