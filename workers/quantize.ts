/** A worker of the quantization: converts the rows that it is sent. */
import { expose, transfer } from 'comlink'
import * as platform from '#platform'
import type { RowWorker } from '../js/quantize/pool.ts'
import { RowQuantizer } from '../js/quantize/row-quantizer.ts'
import { carryErrors } from './protocol.ts'

export function start(): void {
  carryErrors()
  let quantizer: RowQuantizer
  const worker: RowWorker = {
    async open(module) {
      quantizer = await RowQuantizer.open(module)
    },
    convert(job) {
      const result = quantizer.convert(job)
      return result.bytes ? transfer(result, [result.bytes.buffer as ArrayBuffer]) : result
    },
  }
  expose(worker, platform.parent().endpoint)
}
