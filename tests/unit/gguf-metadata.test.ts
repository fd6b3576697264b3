import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FormatError } from '../../js/errors.ts'
import { getBoolean, getNumber, getNumbers, getString } from '../../js/gguf/metadata.ts'
import type { MetadataValue } from '../../js/gguf/types.ts'

const metadata = new Map<string, MetadataValue>([
  ['number', 1.5],
  ['big', 2n ** 60n],
  ['text', 'x'],
  ['flag', false],
  ['floats', Float32Array.of(1, 2)],
  ['longs', BigInt64Array.of(-3n)],
  ['huge', BigUint64Array.of(2n ** 60n)],
  ['words', ['a', 'b']],
  ['empty', []],
])

test('values of the right type', () => {
  assert.is(getNumber(metadata, 'number'), 1.5)
  assert.is(getString(metadata, 'text'), 'x')
  assert.is(getBoolean(metadata, 'flag'), false)
  assert.equal([...(getNumbers(metadata, 'floats') as Float32Array)], [1, 2])
  assert.equal([...(getNumbers(metadata, 'longs') as Float64Array)], [-3])
  assert.is(getNumbers(metadata, 'empty').length, 0)
})

test('fallbacks stand in for missing keys only', () => {
  assert.is(getNumber(metadata, 'none', 0), 0)
  assert.is(getString(metadata, 'none', ''), '')
  assert.is(getBoolean(metadata, 'none', false), false)
  assert.is(getBoolean(metadata, 'flag', true), false)
  assert.throws(
    () => getNumber(metadata, 'text', 0),
    (error: unknown) => error instanceof FormatError,
  )
})

test('errors name the key, what it should be and what it is', () => {
  const error = (run: () => unknown): FormatError => {
    try {
      run()
    } catch (error) {
      assert.instance(error, FormatError)
      return error as FormatError
    }
    throw assert.unreachable()
  }
  assert.is(error(() => getNumber(metadata, 'none')).code, 'METADATA_MISSING')
  for (const run of [
    () => getNumber(metadata, 'big'),
    () => getNumber(metadata, 'flag'),
    () => getString(metadata, 'number'),
    () => getBoolean(metadata, 'number'),
    () => getNumbers(metadata, 'words'),
    () => getNumbers(metadata, 'huge'),
  ]) {
    assert.is(error(run).code, 'METADATA_TYPE')
  }
  const { message, value } = error(() => getNumber(metadata, 'floats'))
  assert.match(message, /floats should be a number, but it is an array of numbers \(Float32Array\)/)
  assert.is(value, 'floats')
})

test.run()
