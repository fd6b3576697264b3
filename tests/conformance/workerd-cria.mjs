/** cria as the cases call it: here `load` must be given the build, as a module. */
import * as cria from './dist/edge.js'
import relaxed from './dist/relaxed.wasm'
import simd from './dist/simd.wasm'

export * from './dist/edge.js'

export function load(input, { isa = 'auto', ...options } = {}) {
  return cria.load(input, { wasm: isa === 'simd' ? simd : relaxed, ...options })
}
