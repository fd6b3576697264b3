const headers = {
  // What threads need; a server in production must send them too. Without them all works the same with one thread.
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

export default {
  // Relative: the build may be served from any folder.
  base: './',
  server: { headers },
  preview: { headers },
  build: { target: 'es2022' },
}
