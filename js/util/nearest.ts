/** The name that a misspelled one probably stands for. */

/** The nearest of `names`, without regard to case; undefined where none is near. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const given = name.toLowerCase()
  // A quarter of the letters may be wrong, at least one, and not all.
  let least = Math.min(given.length, Math.max(1, Math.floor(given.length / 4)) + 1)
  let found: string | undefined
  for (const candidate of names) {
    const known = candidate.toLowerCase()
    const begun = given.length > 2 && known !== given && known.startsWith(given)
    // Of two, the one that begins alike.
    const wrong = begun ? 1 : distance(given, known) + (known[0] === given[0] ? 0 : 0.5)
    if (wrong < least) [least, found] = [wrong, candidate]
  }
  return found
}

/** Letters to delete, replace or swap with their neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const differs = a[i - 1] === b[j - 1] ? 0 : 1
      row[j] = Math.min(row[j - 1]! + 1, above[j]! + 1, above[j - 1]! + differs)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j]!, before[j - 2]! + 1)
    }
    before = above
    above = row
  }
  return above[b.length]!
}
