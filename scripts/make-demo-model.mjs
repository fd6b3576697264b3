// Writes models/stories260K.gguf from karpathy's checkpoint: node --import tsx scripts/make-demo-model.mjs
import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { convertLlama2c } from '../js/convert/llama2c.ts'

const models = resolve(process.env.CRIA_SHARED ?? '../shared', 'models')
const checkpoint = new Uint8Array(await readFile(resolve(models, 'stories260K.bin')))
const tokenizer = new Uint8Array(await readFile(resolve(models, 'tok512.bin')))
const chunks = convertLlama2c(checkpoint, tokenizer, {
  outtype: 'f16',
  name: 'stories260K',
  license: 'mit',
  source: 'https://huggingface.co/karpathy/tinyllamas',
})
await writeFile(new URL('../models/stories260K.gguf', import.meta.url), chunks)
