/** What threads need of a page; its API routes need no headers. */
const isolation = [
  { key: 'Cross-Origin-Opener-Policy', value: 'same-origin' },
  { key: 'Cross-Origin-Embedder-Policy', value: 'require-corp' },
]

export default {
  output: 'standalone',
  // The model is no module: the trace has it by name.
  outputFileTracingIncludes: { '/api/story': ['./models/*.gguf'] },
  headers: () => [{ source: '/(.*)', headers: isolation }],
}
