/**
 * terser's options, for modules. What bundlers go by, `@__PURE__`, stays. Lines are short, as Node shows all of the one that
 * an uncaught error comes from.
 */
export const TERSER = {
  module: true,
  ecma: 2022,
  compress: { passes: 3, inline: 1 },
  format: { preserve_annotations: true, max_line_len: 1000 },
}
