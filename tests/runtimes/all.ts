/** Every runtime that the package is tested on. */
import { chromium } from './chromium.ts'
import type { Driver } from './driver.ts'
import { firefox } from './firefox.ts'
import { arm64, bun, cpus, deno, nodes } from './node.ts'
import { webkit } from './webkit.ts'
import { workerd } from './workerd.ts'

/** In groups that each take a minute or two. */
export const GROUPS = {
  node: nodes,
  servers: [deno, bun, workerd],
  browsers: [chromium, firefox],
  webkit: [webkit],
  cpus,
  arm64: [arm64],
} satisfies Record<string, readonly Driver[]>

export const all: readonly Driver[] = Object.values(GROUPS).flat()
