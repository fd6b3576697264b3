/** How long the context of a model is. */

/** Stands for the context that the model was trained for. */
export const TRAINED_CONTEXT = -1

export const DEFAULT_CONTEXT = 4096
/** Far beyond any model; the file and the memory set the real limits. */
export const MOST_CONTEXT = 1 << 24

/** `asked`: tokens, TRAINED_CONTEXT, or 0 for min(trained, 4096). */
export function contextOf(trained: number, asked: number): number {
  if (asked === TRAINED_CONTEXT) return trained
  return asked > 0 ? asked : Math.min(trained, DEFAULT_CONTEXT)
}
