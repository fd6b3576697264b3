/** The folder of references that the tests read: `CRIA_SHARED`, `../shared` by default. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'uvu'

const ROOT = resolve(process.env.CRIA_SHARED ?? '../shared')

export const hasShared = existsSync(ROOT)

/** A path inside the shared folder. */
export function shared(...parts: string[]): string {
  return resolve(ROOT, ...parts)
}

/** A test that needs the shared folder: skipped where it is absent, failed there under CI. */
export function sharedTest(name: string, run: () => void | Promise<void>): void {
  if (hasShared) test(name, run)
  else if (process.env.CI) {
    test(name, () => {
      throw new Error(`${ROOT} is absent: set CRIA_SHARED to the folder of references`)
    })
  } else test.skip(`${name} (no ${ROOT})`)
}

export interface Tensor {
  dtype: string
  shape: number[]
  data: Float32Array | Int32Array | Uint8Array
}

/** Reads a safetensors file whole: F32, I32, U8 and I8 tensors (I8 as bytes). */
export function readSafetensors(path: string): Map<string, Tensor> {
  const file = readFileSync(path)
  const headerBytes = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const tensors = new Map<string, Tensor>()
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const bytes = new Uint8Array(file.subarray(8 + headerBytes + data_offsets[0], 8 + headerBytes + data_offsets[1]))
    const data =
      dtype === 'F32' ? new Float32Array(bytes.buffer) : dtype === 'I32' ? new Int32Array(bytes.buffer) : bytes
    tensors.set(name, { dtype, shape, data })
  }
  return tensors
}
