/** Rows to quantize that no file should lack an answer for. */
import { random } from './kernel-harness.ts'

export const COLUMNS = 512

/** f32 [10, COLUMNS]: ordinary, tiny, subnormal, one-sided, sparse, equal, with few values, with outliers. */
export function awkwardRows(): Float32Array<ArrayBuffer> {
  const next = random(7)
  const normal = () => (next() + next() + next() - 1.5) * 0.05
  const make: ((i: number) => number)[] = [
    normal,
    () => normal() * 1e-38,
    () => Math.round(normal() * 1000) * 1e-45,
    () => Math.abs(normal()),
    () => -Math.abs(normal()),
    (i) => (i % 32 === 5 ? normal() : 0),
    () => 0.5,
    () => 0,
    () => Math.round(normal() * 200) / 64,
    () => (next() < 0.01 ? 20 : normal()),
  ]
  return Float32Array.from({ length: make.length * COLUMNS }, (_, i) => make[Math.floor(i / COLUMNS)]!(i))
}

/** How much each column weighs, f32 [COLUMNS]; some not at all. */
export function importanceOfColumns(): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: COLUMNS }, (_, i) => (i % 97 === 0 ? 0 : 1 + (i % 13)))
}
