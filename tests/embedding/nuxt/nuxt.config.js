const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

export default {
  compatibilityDate: '2026-01-01',
  // What threads need of a page, and of the scripts of its workers.
  routeRules: { '/**': { headers } },
}
