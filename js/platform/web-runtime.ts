import type { RuntimeName } from './types.ts'

/** By what identifies itself first: the user agents of others name Chrome and Safari too. For people to read, never to decide by. */
const NAMES: readonly [name: string, pattern: RegExp][] = [
  ['workerd', /^Cloudflare-Workers/],
  ['Deno', /^Deno\/([\d.]+)/],
  ['Bun', /^Bun\/([\d.]+)/],
  ['Node', /^Node\.js\/([\d.]+)/],
  ['Firefox', /Firefox\/([\d.]+)/],
  ['Edge', /Edg\/([\d.]+)/],
  ['Chromium', /(?:Chrome|Chromium)\/([\d.]+)/],
  ['WebKit', /Version\/([\d.]+).* Safari\//],
]

/** What the user agent says of itself. */
export function webRuntime(): RuntimeName {
  const agent = globalThis.navigator?.userAgent ?? ''
  for (const [name, pattern] of NAMES) {
    const match = pattern.exec(agent)
    if (match) return { name, version: match[1] ?? '' }
  }
  return { name: agent || 'unknown', version: '' }
}
