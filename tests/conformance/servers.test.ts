/** The same bits in Deno, Bun and workerd. */

import { GROUPS } from '../runtimes/all.ts'
import { conformanceTests } from './suite.ts'

conformanceTests(GROUPS.servers)
