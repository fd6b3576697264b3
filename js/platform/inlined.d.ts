/** Made by scripts/build.mjs. Texts are base64 of zlib streams. */
declare module 'inlined' {
  /** The workers' script. */
  export const worker: string
  /**
   * The wasm files of dist/, each cut in as many `pieces` of equal size (to a byte), theirs by turns: the builds are much
   * alike, and so what is alike lies near enough for zlib to find it.
   */
  export const wasm: string
  export const pieces: number
  /** Bytes of each file, by name, in the order of their turns. */
  export const sizes: Record<string, number>
}
