/**
 * Does work for each item, at most `most` at a time: who asks for much at once leaves places to others in between. Resolves
 * to the results, in order; rejects with the first failure, after which no more is begun.
 */
export async function atMost<T, R>(
  most: number,
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const go = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      try {
        results[index] = await work(items[index]!, index)
      } catch (error) {
        next = items.length
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, go))
  return results
}
