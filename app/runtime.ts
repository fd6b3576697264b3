/** cria itself, which lies beside the app and is read when it is used: a page that asks a server needs none of it. */
import type * as cria from '../js/index.ts'

/** Not a name to bundle. */
const ADDRESS = './web/index.js'

export function runtime(): Promise<typeof cria> {
  return import(new URL(ADDRESS, document.baseURI).href)
}
