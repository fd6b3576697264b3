/** Addresses of the package's files, as code in the cache of Vite's development server has them. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inPackage } from '../../js/platform/prebundled.ts'

test('out of the cache, into the package beside it', () => {
  for (const [address, expected] of [
    [
      '/node_modules/.vite/web/leader.js?worker_file&type=module',
      '/node_modules/cria/dist/web/leader.js?worker_file&type=module',
    ],
    ['http://x:5173/app/node_modules/.vite/simd.wasm', 'http://x:5173/app/node_modules/cria/dist/simd.wasm'],
    ['/_nuxt/node_modules/.cache/vite/client/web/thread.js', '/_nuxt/node_modules/cria/dist/web/thread.js'],
    ['/@fs/home/x/node_modules/.vite/relaxed.wasm?t=1', '/@fs/home/x/node_modules/cria/dist/relaxed.wasm?t=1'],
  ] as const) {
    assert.is(inPackage(address), expected)
    const url = new URL(address, 'http://y')
    assert.is(inPackage(url), new URL(expected, url).href)
  }
})

test('every other address stays the object that it is', () => {
  for (const path of [
    '/node_modules/cria/dist/web/leader.js',
    '/@fs/x/node_modules/.pnpm/cria@0.1.0/node_modules/cria/dist/web/leader.js',
    '/@fs/x/node_modules/.pnpm/cria@0.1.0/node_modules/cria/dist/simd.wasm',
    '/assets/leader-B3v5i9vr.js',
    '/node_modules/.vite/deps/cria.js',
  ]) {
    const url = new URL(path, 'http://x')
    assert.is(inPackage(url), url)
    assert.is(inPackage(path), path)
  }
})

test.run()
