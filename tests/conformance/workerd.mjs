/** Runs cases in workerd: POST /NAME with what the case takes answers with what it gives, as JSON. */
import * as cases from './cases.mjs'

export default {
  async fetch(request) {
    try {
      // biome-ignore lint/performance/noDynamicNamespaceImportAccess: the name comes with the request
      const result = await cases[new URL(request.url).pathname.slice(1)](await request.json())
      return Response.json(result)
    } catch (error) {
      return new Response(String(error?.stack ?? error), { status: 500 })
    }
  },
}
