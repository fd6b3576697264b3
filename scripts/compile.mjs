/** A worker of the build: compiles the targets of asconfig.json whose asc arguments it is sent, one at a time. */
import { parentPort } from 'node:worker_threads'
import asc from 'assemblyscript/asc'

parentPort.on('message', async (args) => {
  const stdout = asc.createMemoryStream()
  const stderr = asc.createMemoryStream()
  const { error } = await asc.main(args, { stdout, stderr })
  parentPort.postMessage({ failed: error !== null, messages: stderr.toString().trim() })
})
