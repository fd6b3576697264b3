/** Which build a compiled module is. */
import { ArgumentError } from './errors.ts'

export interface WasmBuild {
  isa: 'simd' | 'relaxed'
  /** Whether its memory is shared. */
  shared: boolean
}

/** The custom section in which each packed wasm file holds its name (scripts/build.mjs). */
const SECTION = 'cria'

/** @throws ArgumentError where it is no module, or none of cria's. */
export function wasmBuild(module: unknown): WasmBuild {
  if (!(module instanceof WebAssembly.Module)) {
    const message = "wasm must be a WebAssembly.Module: one of cria's wasm files, imported or compiled."
    throw new ArgumentError('INVALID_OPTION', message, module)
  }
  const [section] = WebAssembly.Module.customSections(module, SECTION)
  const name = section && new TextDecoder().decode(section)
  const [, isa, threads] = /^(simd|relaxed)(-threads)?$/.exec(name ?? '') ?? []
  if (isa !== undefined) return { isa: isa as WasmBuild['isa'], shared: threads !== undefined }
  const message = "wasm must be one of cria's own modules: cria/relaxed.wasm, cria/simd.wasm or their -threads twins."
  throw new ArgumentError('INVALID_OPTION', message, module)
}
