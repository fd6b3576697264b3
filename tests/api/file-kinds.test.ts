/** Files that are brought in a model's place are called what they are. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FormatError, UnsupportedError } from '../../js/errors.ts'
import { cria, withFolder } from '../cli-helpers.ts'
import { read, rejects } from '../gguf-helpers.ts'
import { edited } from '../metadata-variants.ts'
import { shared, sharedTest } from '../shared.ts'

const latin = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

/** What files begin with, and what the error says of them. */
const STARTS: [start: string, what: RegExp][] = [
  ['<!DOCTYPE html>\n<html>', /web page/],
  ['\n  <html>', /web page/],
  ['{"error":"Repository not found"}', /web page/],
  ['version https://git-lfs.github.com/spec/v1\noid sha256:', /Git LFS pointer/],
  ['PK\x03\x04\0\0\0\0', /zip archive or a PyTorch/],
  ['\x80\x02\x8a\x0a', /PyTorch/],
  ['lmgg\x01\0\0\0', /older GGML format/],
  ['fmgg\x01\0\0\0', /older GGML format/],
  ['tjgg\x03\0\0\0', /older GGML format/],
  ['algg\x01\0\0\0', /older GGML format/],
  ['\x40\x01\0\0\0\0\0\0{"__metadata__"', /safetensors file; convert its folder/],
  ['24ka\x01\0\0\0', /llama2\.c checkpoint/],
  ['\x1f\x8b\x08\0', /compressed/],
  ['Entry not found', /begins with "Entr"/],
  ['\0\0\0\0', /in the place of GGUF/],
]

test('files that are no GGUF, by what they begin with', async () => {
  for (const [start, what] of STARTS) {
    const error = await rejects(read(latin(start)), FormatError, 'GGUF_MAGIC')
    assert.match(error.message, what, JSON.stringify(start))
    assert.match(error.message, /^test\.gguf is not a GGUF file: .*\.$/)
  }
  await rejects(read(new Uint8Array()), FormatError, 'GGUF_TRUNCATED')
  await rejects(read(latin('GGUF\x01\0\0\0')), UnsupportedError, 'GGUF_VERSION')
  await rejects(read(latin('GGUF\0\0\0\x03')), UnsupportedError, 'GGUF_BIG_ENDIAN')
})

/** Of GGUF files: a key, its value, the error's code and what its message says. */
const KINDS: [key: string, value: string, code: string, what: RegExp][] = [
  ['general.type', 'adapter', 'NOT_A_MODEL', /a LoRA adapter .*merge it/],
  ['general.type', 'mmproj', 'NOT_A_MODEL', /a projector of images or sounds .*load the model/],
  ['general.type', 'imatrix', 'NOT_A_MODEL', /an importance matrix .*cria quantize --imatrix/],
  ['general.architecture', 'clip', 'UNSUPPORTED_ARCHITECTURE', /clip, a projector/],
  ['general.architecture', 'controlvector', 'UNSUPPORTED_ARCHITECTURE', /a control vector/],
  ['general.architecture', 'eagle3', 'UNSUPPORTED_ARCHITECTURE', /a draft model/],
  ['general.architecture', 'gemma4-assistant', 'UNSUPPORTED_ARCHITECTURE', /a draft model/],
  ['general.architecture', 'nomic-bert', 'UNSUPPORTED_ARCHITECTURE', /an encoder/],
  ['general.architecture', 't5encoder', 'UNSUPPORTED_ARCHITECTURE', /an encoder/],
  ['general.architecture', 'wavtokenizer-dec', 'UNSUPPORTED_ARCHITECTURE', /a model of speech/],
  ['general.architecture', 'flux', 'UNSUPPORTED_ARCHITECTURE', /a model of images/],
  ['general.architecture', 'llada-moe', 'UNSUPPORTED_ARCHITECTURE', /a diffusion model/],
  ['general.architecture', 'mamba', 'UNSUPPORTED_ARCHITECTURE', /is mamba; cria runs llama/],
]

test('GGUF files that are no models that write text', async () => {
  for (const [key, value, code, what] of KINDS) {
    const { problem } = await inspect(await edited([key, 'string', value]))
    assert.is(problem?.code, code, value)
    assert.match(problem!.message, what)
    assert.is(problem!.value, value)
  }
})

test('inspect ends with 1 for a file that cannot run, and says why last', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'model.gguf')
    writeFileSync(path, await edited(['general.architecture', 'string', 'bert']))
    const shown = await cria(['inspect', path])
    assert.is(shown.code, 1)
    assert.match(
      shown.stdout,
      /\n\ncria cannot run it: The architecture is bert, an encoder; .*\(UNSUPPORTED_ARCHITECTURE\)\n$/,
    )
    const json = await cria(['inspect', path, '--json'])
    assert.is(json.code, 1)
    assert.is(JSON.parse(json.stdout).problem.code, 'UNSUPPORTED_ARCHITECTURE')
    writeFileSync(path, readFileSync('models/stories260K.gguf'))
    assert.is((await cria(['inspect', path])).code, 0)
    writeFileSync(path, '<html>')
    assert.is((await cria(['inspect', path])).code, 1)
  }))

sharedTest('a vocabulary without weights', async () => {
  const { problem } = await inspect(shared('vectors', 'tokenizers', 'llama-spm.gguf'))
  assert.is(problem?.code, 'NOT_A_MODEL')
  assert.match(problem!.message, /no weights/)
})

test.run()
