import adapter from '@sveltejs/adapter-node'
import { sveltekit } from '@sveltejs/kit/vite'

const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

export default {
  plugins: [sveltekit({ adapter: adapter() })],
  // Of the development server; server.js sends them in production.
  server: { headers },
}
