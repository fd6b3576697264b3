/** Flags do in cria what they do in llama.cpp's tools: tests/fixtures/make-llama-tools.ts made the expectations. */
import { createHash } from 'node:crypto'
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cria, withFolder } from '../cli-helpers.ts'

interface Expectations {
  text: string
  perplexity: { args: string[]; estimates: number[] }[]
  texts: { args: string[]; text: string }[]
  quantize: { args: string[]; files: Record<string, string> }[]
}
const EXPECTED: Expectations = JSON.parse(readFileSync('tests/fixtures/llama-tools.json', 'utf8'))
const MODEL = 'models/stories260K.gguf'
const EXACT = ['-t', '1', '-fa', 'off', '-ctk', 'f32', '-ctv', 'f32']

async function stdoutOf(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cria(args)
  assert.is(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout
}

test('perplexity: strides, rotation and overridden metadata', () =>
  withFolder(async (folder) => {
    const text = join(folder, 'text')
    writeFileSync(text, EXPECTED.text)
    for (const { args, estimates } of EXPECTED.perplexity) {
      const stdout = await stdoutOf(['perplexity', '-m', MODEL, '-f', text, ...EXACT, '--chunks', '3', ...args])
      const found = Array.from(stdout.matchAll(/(?:\[\d+\]|^ *\d+ {2})(\d+\.\d{4})/gm), ([, value]) => Number(value))
      assert.is(found.length, estimates.length, stdout)
      // Activations are 8-bit integers here.
      for (const [i, value] of found.entries()) {
        const off = Math.abs(value / estimates[i]! - 1)
        assert.ok(off < 2e-3, `${args.join(' ')}: ${value}, not ${estimates[i]}`)
      }
    }
  }))

test('run: lengths, ends, biases, penalties, samplers, escapes', async () => {
  for (const { args, text } of EXPECTED.texts) {
    const stdout = await stdoutOf(['run', '-m', MODEL, ...EXACT, '--temp', '0', ...args])
    // llama-completion leaves the context's last place free.
    const more = args.includes('-2') ? stdout.length - text.length - 1 : 0
    assert.ok(more <= 8, stdout)
    assert.is(stdout.slice(0, stdout.length - 1 - more), text, args.join(' '))
  }
})

test('quantize: shards, overridden metadata, files of types', () =>
  withFolder(async (folder) => {
    const path = (name: string): string => join(folder, name)
    copyFileSync(MODEL, path('m.gguf'))
    writeFileSync(path('types'), 'attn_v=q5_1\nffn_up=q4_1 output=q6_k')
    await stdoutOf(['gguf', '--split', '--split-max-tensors', '12', path('m.gguf'), path('s')])
    const split = ['gguf', 'split', '--no-tensor-first-split', '--split-max-tensors', '12', path('m.gguf'), path('t')]
    await stdoutOf(split)
    const hash = (name: string): string =>
      createHash('sha256')
        .update(readFileSync(path(name)))
        .digest('hex')
    for (const [i, { args, files }] of EXPECTED.quantize.entries()) {
      const named = args.map((arg) => (/\.gguf$|^types$/.test(arg) ? path(arg.replace('OUT', `out${i}`)) : arg))
      await stdoutOf(['quantize', ...named])
      const written = readdirSync(folder).filter((name) => name.startsWith(`out${i}`))
      const hashes = written.map((name) => [name.replace(`out${i}`, 'OUT'), hash(name)])
      assert.equal(Object.fromEntries(hashes), files, args.join(' '))
    }
  }))

test.run()
