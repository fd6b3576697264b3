/**
 * Runs a function over items, up to `ahead` at a time, and gives its results in the order of the items. Where it is left
 * early what is under way is waited for.
 */
export async function* inOrder<Item, Result>(
  items: Iterable<Item>,
  run: (item: Item) => Promise<Result>,
  ahead: number,
): AsyncGenerator<Result, void, undefined> {
  const pending: Promise<Result>[] = []
  try {
    for (const item of items) {
      const result = run(item)
      // Heard of when its turn comes.
      result.catch(() => {})
      pending.push(result)
      if (pending.length >= ahead) yield await pending.shift()!
    }
    while (pending.length > 0) yield await pending.shift()!
  } finally {
    await Promise.allSettled(pending)
  }
}
