/** The same bits in WebKit. */
import { conformanceTests } from './conformance/suite.ts'
import { GROUPS } from './runtimes/all.ts'

conformanceTests(GROUPS.webkit)
