import { reactRouter } from '@react-router/dev/vite'

const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

export default {
  plugins: [reactRouter()],
  // Of the development server; server.js sends them in production.
  server: { headers },
}
