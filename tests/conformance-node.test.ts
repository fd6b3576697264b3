/** The same bits in Node 20 to 26. */
import { conformanceTests } from './conformance/suite.ts'
import { GROUPS } from './runtimes/all.ts'

conformanceTests(GROUPS.node)
