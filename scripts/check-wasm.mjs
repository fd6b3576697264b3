/**
 * Checks the compiled wasm files against what several instances on one memory demand: nothing is written when a module
 * is instantiated (no data segments, no start function), nothing is imported but the memory, no state lives in mutable
 * globals, and every build of the engine offers the same functions. The sections are walked here, because an engine
 * without relaxed SIMD refuses to parse two of the targets.
 *
 *     node scripts/check-wasm.mjs [folder]     default: build/wasm
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Imports beside `env.memory`, as `module.name`. */
const ALLOWED_IMPORTS = []
/** Mutable globals in a module. The stub runtime's only one belongs to its allocator, which nothing here calls. */
const ALLOWED_MUTABLE_GLOBALS = 0
/** Targets that are no builds of the engine and have functions of their own. */
const TOOLS = ['quantize']
/** The import of a shared memory declares a maximum; the memory given may have any maximum up to it. */
const SHARED_MAXIMUM = 65536

const SECTION = { type: 1, import: 2, function: 3, global: 6, export: 7, start: 8, data: 11 }
const KIND = ['func', 'table', 'memory', 'global', 'tag']
const TYPE = { 127: 'i32', 126: 'i64', 125: 'f32', 124: 'f64', 123: 'v128', 112: 'funcref', 111: 'externref' }

/** Reads forward through the bytes of a module. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes
    this.at = 0
  }
  byte() {
    if (this.at >= this.bytes.length) throw new Error('the module is cut short')
    return this.bytes[this.at++]
  }
  /** An unsigned LEB128 number of up to 32 bits. A signed one takes as many bytes, which is all that skipping needs. */
  leb() {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  name() {
    const length = this.leb()
    this.at += length
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at))
  }
  list(item) {
    return Array.from({ length: this.leb() }, item)
  }
  type() {
    const code = this.byte()
    return TYPE[code] ?? `0x${code.toString(16)}`
  }
  limits() {
    const flags = this.byte()
    const initial = this.leb()
    return { shared: (flags & 2) !== 0, initial, maximum: flags & 1 ? this.leb() : undefined }
  }
  /** A constant expression, as it initializes a global. */
  constant() {
    for (;;) {
      const op = this.byte()
      if (op === 0x0b) return
      if (op === 0x41 || op === 0x42 || op === 0x23 || op === 0xd2) this.leb()
      else if (op === 0x43) this.at += 4
      else if (op === 0x44) this.at += 8
      else if (op === 0xd0) this.at += 1
      else if (op === 0xfd && this.leb() === 12) this.at += 16
      else throw new Error(`opcode 0x${op.toString(16)} in a constant expression is unknown`)
    }
  }
}

/** What the checks look at: imports, exports (name → signature), memory limits, counts. */
export function describe(bytes) {
  const reader = new Reader(bytes)
  const module = {
    imports: [],
    memory: undefined,
    exports: new Map(),
    dataSegments: 0,
    mutableGlobals: 0,
    start: false,
  }
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== '\0asm') throw new Error('the file is not a wasm module')
  reader.at = 8
  let types = []
  const functions = []
  while (reader.at < bytes.length) {
    const id = reader.byte()
    const end = reader.leb() + reader.at
    if (id === SECTION.type) types = reader.list(() => signature(reader))
    else if (id === SECTION.import) reader.list(() => readImport(reader, module, functions))
    else if (id === SECTION.function) functions.push(...reader.list(() => reader.leb()))
    else if (id === SECTION.global) {
      reader.list(() => {
        reader.type()
        module.mutableGlobals += reader.byte()
        reader.constant()
      })
    } else if (id === SECTION.export) {
      reader.list(() => {
        const name = reader.name()
        const kind = KIND[reader.byte()]
        const index = reader.leb()
        module.exports.set(name, kind === 'func' ? types[functions[index]] : kind)
      })
    } else if (id === SECTION.start) module.start = true
    else if (id === SECTION.data) module.dataSegments = reader.leb()
    reader.at = end
  }
  return module
}

/** A function type, as `(i32, f32) → i32`. */
function signature(reader) {
  if (reader.byte() !== 0x60) throw new Error('a type is no function type')
  const parameters = reader.list(() => reader.type())
  return `(${parameters.join(', ')}) → ${reader.list(() => reader.type()).join(', ') || 'void'}`
}

function readImport(reader, module, functions) {
  const name = `${reader.name()}.${reader.name()}`
  const kind = KIND[reader.byte()]
  module.imports.push({ name, kind })
  if (kind === 'func') functions.push(reader.leb())
  else if (kind === 'memory') module.memory = reader.limits()
  else if (kind === 'global') {
    reader.type()
    module.mutableGlobals += reader.byte()
  } else throw new Error(`the module imports a ${kind}, ${name}`)
}

/** Everything wrong with a set of targets, one sentence each. `modules`: target name → bytes. */
export function problems(modules) {
  const found = []
  const described = new Map()
  for (const [target, bytes] of modules) {
    try {
      described.set(target, describe(bytes))
    } catch (error) {
      found.push(`${target}: ${error.message}`)
      continue
    }
    found.push(...moduleProblems(target, described.get(target)).map((problem) => `${target}: ${problem}`))
    if (!target.startsWith('relaxed') && !WebAssembly.validate(bytes)) found.push(`${target}: the module is not valid`)
  }
  const builds = [...described].filter(([target]) => !TOOLS.includes(target))
  const all = new Map(builds.flatMap(([, module]) => [...module.exports]))
  for (const [name, expected] of all) {
    for (const [target, module] of builds) {
      const actual = module.exports.get(name)
      if (actual === undefined) found.push(`${target}: lacks the export ${name}, which another target has`)
      else if (actual !== expected) found.push(`${target}: exports ${name} as ${actual}, another target as ${expected}`)
    }
  }
  return found
}

function moduleProblems(target, module) {
  const found = []
  if (module.dataSegments > 0) {
    found.push(
      `has ${module.dataSegments} data segment(s), which every instance would write again. They come from strings, ` +
        'array literals, throw, assert, function references and Mathf.exp/sin/pow',
    )
  }
  if (module.start) found.push('has a start function: move what runs at the top level into a function')
  if (module.mutableGlobals > ALLOWED_MUTABLE_GLOBALS) {
    found.push(`has ${module.mutableGlobals} mutable global(s), which are not shared between instances`)
  }
  for (const { name, kind } of module.imports) {
    const allowed = name === 'env.memory' && kind === 'memory'
    if (!allowed && !ALLOWED_IMPORTS.includes(name)) found.push(`imports the ${kind} ${name}`)
  }
  const shared = target.endsWith('-threads')
  const memory = module.memory
  if (!memory) found.push('does not import its memory')
  else if (memory.shared !== shared) found.push(`imports a ${shared ? 'memory that is not shared' : 'shared memory'}`)
  else if (memory.initial > 1) found.push(`demands ${memory.initial} pages of memory; a small one must do too`)
  else if (memory.maximum !== undefined && memory.maximum < SHARED_MAXIMUM) {
    found.push(`takes no memory larger than ${memory.maximum} pages`)
  }
  return found
}

/** The wasm files of a folder: target name → bytes. */
export function readModules(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith('.wasm'))
  return new Map(files.map((file) => [basename(file, '.wasm'), readFileSync(join(folder, file))]))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const modules = readModules(process.argv[2] ?? 'build/wasm')
  const found = problems(modules)
  if (modules.size === 0) found.push('no wasm file there: build first')
  for (const problem of found) console.error(problem)
  for (const [target, bytes] of found.length === 0 ? modules : []) {
    console.log(`${target}: ${bytes.length} bytes, ${describe(bytes).exports.size} exports`)
  }
  process.exitCode = found.length === 0 ? 0 : 1
}
