/**
 * The wasm files: one an instruction set. Whether the memory that a module imports is shared is a flag in its bytes; in the
 * files it is not.
 */
import { ArgumentError, CriaError, UnsupportedError } from '../errors.ts'

export type Isa = 'simd' | 'relaxed'

/**
 * Why a wasm build runs. `'measured'`: it was the faster of the two with the kernels of the model's main type, in a trial of
 * some 40 milliseconds in the worker, at the first load of a model of that type in this process or page. `'only'`: the
 * engine runs no other. `'asked'`: by `isa` or `wasm`. `'untried'`: relaxed SIMD, where a trial would hold up the caller's
 * thread (in process), or the other build be downloaded for a model of less than 16 MiB.
 */
export type IsaReason = 'measured' | 'only' | 'asked' | 'untried'

/** @internal */
export type Modules = Partial<Record<Isa, WebAssembly.Module>>

/** The faster build by type, as trials of this process or page found (builds.ts); passed to workers, which try no more. @internal */
export const measured: Record<string, Isa> = {}

/** The custom section in which each packed file holds its name (scripts/build.mjs). */
const SECTION = 'cria'
/** The import of the memory, up to its flags; and the flags: a maximum, and shared. */
const IMPORT = [3, ...text('env'), 6, ...text('memory'), 2]
const SHARED = 3

function text(name: string): number[] {
  return Array.from(name, (character) => character.charCodeAt(0))
}

/** Compiles a file, for a memory that is shared or for one that is not. @internal */
export async function compileBuild(bytes: Uint8Array<ArrayBuffer>, shared: boolean): Promise<WebAssembly.Module> {
  if (shared) bytes[importFlags(bytes)] = SHARED
  // WebKit's classic workers sleep on what has been compiled until something else happens.
  const awake = setInterval(() => {}, 20)
  try {
    return await WebAssembly.compile(bytes)
  } catch (cause) {
    throw forbiddenWasm(cause) ?? cause
  } finally {
    clearInterval(awake)
  }
}

/** What a page's Content-Security-Policy forbids, in the words of Chromium, Firefox and WebKit. @internal */
export function forbiddenWasm(cause: unknown): UnsupportedError | undefined {
  if (cause instanceof CriaError || !/CSP|Content.Security|unsafe-eval/i.test(String(cause))) return undefined
  const message = "The Content-Security-Policy forbids WebAssembly here; add 'wasm-unsafe-eval' to script-src."
  return new UnsupportedError('WASM_FORBIDDEN', message, 'script-src', { cause })
}

function importFlags(bytes: Uint8Array): number {
  const at = bytes.findIndex((_, start) => IMPORT.every((byte, i) => bytes[start + i] === byte))
  return at + IMPORT.length
}

/**
 * Which build a module is that the caller compiled.
 * @throws ArgumentError where it is no module, or none of cria's.
 * @internal
 */
export function isaOf(module: unknown): Isa {
  // Of any realm.
  if (String(module) !== '[object WebAssembly.Module]') {
    const message = "wasm must be a WebAssembly.Module: one of cria's wasm files, imported or compiled."
    throw new ArgumentError('INVALID_OPTION', message, module)
  }
  const [section] = WebAssembly.Module.customSections(module as WebAssembly.Module, SECTION)
  const name = section && new TextDecoder().decode(section)
  if (name === 'simd' || name === 'relaxed') return name
  const message = "wasm must be one of cria's own modules: cria/relaxed.wasm or cria/simd.wasm."
  throw new ArgumentError('INVALID_OPTION', message, module)
}
