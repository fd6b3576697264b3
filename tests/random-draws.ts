/** Random choices from a seed: what failed can be made again. */
import { numbers } from './soak/random.ts'

export interface Draws {
  /** A whole number, both ends included. */
  count(from: number, to: number): number
  pick<T>(list: readonly T[]): T
  often(share: number): boolean
}

export function draws(seed: number): Draws {
  const below = numbers(seed)
  const count = (from: number, to: number): number => from + below(to - from + 1)
  return { count, pick: (list) => list[below(list.length)]!, often: (share) => below(2 ** 20) < share * 2 ** 20 }
}
