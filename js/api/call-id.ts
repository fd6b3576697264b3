/** Ids of tool calls. */
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
/** As many as the templates of Mistral's models take. */
const LENGTH = 9

/** Nine letters and digits by chance. */
export function callId(): string {
  const numbers = crypto.getRandomValues(new Uint32Array(LENGTH))
  return Array.from(numbers, (number) => LETTERS[number % LETTERS.length]).join('')
}
