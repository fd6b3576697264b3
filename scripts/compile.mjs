/**
 * A worker of the build: compiles the targets of asconfig.json whose asc arguments it is sent, one at a time. A target
 * may have an `entry` of its own, which asc does not know.
 */
import { readFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import asc from 'assemblyscript/asc'

const { targets } = JSON.parse(readFileSync('asconfig.json', 'utf8'))

parentPort.on('message', async (args) => {
  const stdout = asc.createMemoryStream()
  const stderr = asc.createMemoryStream()
  const { entry = 'assembly/index.ts' } = targets[args[args.indexOf('--target') + 1]]
  const { error } = await asc.main([entry, ...args], { stdout, stderr })
  parentPort.postMessage({ failed: error !== null, messages: stderr.toString().trim() })
})
