/** Numbers as people read them. */

/** `1.1 MB`, `4.92 GB`: decimal, as download pages count. */
export function bytesText(bytes: number): string {
  const [value, unit] = bytes >= 1e9 ? [bytes / 1e9, 'GB'] : bytes >= 1e6 ? [bytes / 1e6, 'MB'] : [bytes / 1e3, 'kB']
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(2 + Number(value >= 10))} ${unit}`
}

/** `12 s`, `3 min`, `1 h 5 min`. */
export function durationText(seconds: number): string {
  if (seconds < 100) return `${Math.max(1, Math.round(seconds))} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `135M`, `1.2B`. */
export function parametersText(count: number): string {
  return count >= 1e9
    ? `${(count / 1e9).toPrecision(2)}B`
    : count >= 1e6
      ? `${Math.round(count / 1e6)}M`
      : `${Math.round(count / 1e3)}K`
}
