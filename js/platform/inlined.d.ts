/** Made by scripts/build.mjs. Texts are base64 of zlib streams. */
declare module 'inlined' {
  /** The workers' script. */
  export const worker: string
  /** The files of dist/, by name. */
  export const wasm: Record<string, string>
}
