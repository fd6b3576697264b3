/** Every runtime that the package is tested on. */
import { chromium } from './chromium.ts'
import type { Driver } from './driver.ts'
import { firefox } from './firefox.ts'
import { bun, cpus, deno, nodes } from './node.ts'
import { webkit } from './webkit.ts'
import { workerd } from './workerd.ts'

export { cpus }

export const servers: readonly Driver[] = [...nodes, deno, bun, workerd]
export const browsers: readonly Driver[] = [chromium, firefox, webkit]
export const all: readonly Driver[] = [...servers, ...browsers, ...cpus]
