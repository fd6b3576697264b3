/**
 * ONNX Runtime Web's MatMulNBits, the operator of its 4-bit language models (blocks of 32, int8 activations inside:
 * accuracy_level 4), beside cria's Q4_0 kernels on a matrix of the same size. One thread, in Node, medians.
 *
 *     npm ci --prefix tests/bench/peers
 *     node --import tsx tests/bench/peers/onnx.ts [--rows 65536] [--columns 2048] [--tokens 1,4,64] [--runs 7]
 */
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'

/** Of this folder's own packages: the repository's types don't know it. */
const PACKAGE: string = 'onnxruntime-web'
const ort = await import(PACKAGE)

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '65536' },
    columns: { type: 'string', default: '2048' },
    tokens: { type: 'string', default: '1,4,64' },
    runs: { type: 'string', default: '7' },
  },
})
const rows = Number(values.rows)
const columns = Number(values.columns)
const runs = Number(values.runs)
const BLOCK = 32
const FLOAT = 1
const UINT8 = 2
const INT = 2

// Protobuf by hand: the file holds one node. Field numbers: onnx.proto.
function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return Buffer.from([...bytes, value])
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)])
}

function bytes(field: number, value: string | Buffer): Buffer {
  const content = Buffer.from(value as string)
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content])
}

function message(field: number, ...parts: Buffer[]): Buffer {
  return bytes(field, Buffer.concat(parts))
}

function attribute(name: string, value: number): Buffer {
  return message(5, bytes(1, name), number(3, value), number(20, INT))
}

function tensor(name: string, type: number, dimensions: number[], data: Buffer): Buffer {
  return message(5, ...dimensions.map((size) => number(1, size)), number(2, type), bytes(8, name), bytes(9, data))
}

function value(field: number, name: string, width: number): Buffer {
  const shape = message(2, message(1, bytes(2, 'tokens')), message(1, number(1, width)))
  return message(field, bytes(1, name), message(2, message(1, number(1, FLOAT), shape)))
}

/** y[tokens, rows] = x[tokens, columns] · W, W in blocks of 32 nibbles with an f32 scale. */
function model(): Buffer {
  const blocks = columns / BLOCK
  const weights = Buffer.alloc((rows * columns) / 2)
  for (let i = 0; i < weights.length; i++) weights[i] = (i * 89 + (i >> 8)) & 255
  const scales = Buffer.from(new Float32Array(rows * blocks).fill(0.01).buffer)
  const node = message(
    1,
    ...['x', 'w', 's'].map((name) => bytes(1, name)),
    bytes(2, 'y'),
    bytes(4, 'MatMulNBits'),
    attribute('K', columns),
    attribute('N', rows),
    attribute('bits', 4),
    attribute('block_size', BLOCK),
    attribute('accuracy_level', 4),
    bytes(7, 'com.microsoft'),
  )
  const initializers = [
    tensor('w', UINT8, [rows, blocks, BLOCK / 2], weights),
    tensor('s', FLOAT, [rows * blocks], scales),
  ]
  const graph = message(7, node, bytes(2, 'g'), ...initializers, value(11, 'x', columns), value(12, 'y', rows))
  const opsets = [message(8, bytes(1, ''), number(2, 21)), message(8, bytes(1, 'com.microsoft'), number(2, 1))]
  return Buffer.concat([number(1, 10), graph, ...opsets])
}

ort.env.wasm.numThreads = 1
const session = await ort.InferenceSession.create(model(), { executionProviders: ['wasm'] })
console.log(`ONNX Runtime Web ${ort.env.versions.web}, MatMulNBits, ${rows}×${columns}\n`)
console.log('| tokens | GB/s | GMAC/s |\n|---:|---:|---:|')
for (const tokens of values.tokens.split(',').map(Number)) {
  const x = new ort.Tensor('float32', new Float32Array(tokens * columns).fill(0.5), [tokens, columns])
  const samples: number[] = []
  for (let run = 0; run <= runs; run++) {
    const start = performance.now()
    await session.run({ x })
    if (run > 0) samples.push(performance.now() - start)
  }
  const median = samples.sort((a, b) => a - b)[Math.floor(runs / 2)]!
  // Four bits a weight and an f32 scale for 32 of them.
  const gigabytes = ((rows * columns * 5) / 8 / median) * 1e-6
  console.log(`| ${tokens} | ${gigabytes.toFixed(1)} | ${((tokens * rows * columns) / median / 1e6).toFixed(1)} |`)
}
await session.release()
const kernels = ['--import', 'tsx', 'tests/bench/kernels.ts', '--types', 'q4_0', '--matrices', `${rows}x${columns}`]
console.log(`\n${execFileSync(process.execPath, [...kernels, '--tokens', '4,64'], { encoding: 'utf8' })}`)
