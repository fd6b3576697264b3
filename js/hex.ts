/** Bytes as hexadecimal digits, two each, with a text before each byte's. */
export function hex(bytes: Uint8Array, before = ''): string {
  return Array.from(bytes, (byte) => before + byte.toString(16).padStart(2, '0')).join('')
}
