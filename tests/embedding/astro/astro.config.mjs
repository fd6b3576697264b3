import node from '@astrojs/node'

const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

export default {
  adapter: node({ mode: 'middleware' }),
  // Of the development server; server.js sends them in production.
  server: { headers },
}
