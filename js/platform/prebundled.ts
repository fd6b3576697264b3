/**
 * Vite's development server (up to 7) copies the code of packages into a cache, `node_modules/.vite/deps/` or, in Nuxt,
 * `node_modules/.cache/vite/client/deps/`, and their other files stay where they are. So what is relative to that code is
 * looked for in the cache's folder.
 */
const IN_CACHE = /(\/node_modules\/)\.(?:(?!node_modules\/)[^/]+\/)+((?:web\/\w+\.js|\w+\.wasm)(?:\?|$))/

/** The address of a file of dist/, relative to this code → the same in the package's folder, if the code has been moved. */
export function inPackage<T extends string | URL>(address: T): T | string {
  const text = String(address)
  return IN_CACHE.test(text) ? text.replace(IN_CACHE, '$1cria/dist/$2') : address
}
