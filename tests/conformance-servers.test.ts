/** The same bits in Node, Deno, Bun and workerd. */
import { conformanceTests } from './conformance/suite.ts'
import { servers } from './runtimes/all.ts'

conformanceTests(servers)
