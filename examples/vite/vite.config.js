const headers = {
  // What threads need; a server in production must send them too. Without them all works the same with one thread.
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

export default {
  // Relative: the build may be served from any folder.
  base: './',
  // The development server would move cria's code away from its workers and wasm files.
  optimizeDeps: { exclude: ['cria'] },
  server: { headers },
  preview: { headers },
  // The workers are modules and share code.
  worker: { format: 'es' },
  build: { target: 'es2022' },
}
