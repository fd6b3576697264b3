/** Made by scripts/build.mjs. Texts are base64 of what LZMA packed. */
declare module 'inlined' {
  /** The workers' script. */
  export const worker: string
  /** The wasm files of dist/, one after the other: the builds are much alike, and LZMA finds what is. */
  export const wasm: string
  /** Bytes of each file, by name, in their order. */
  export const sizes: Record<string, number>
}
