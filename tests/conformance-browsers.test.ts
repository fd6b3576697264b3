/** The same bits in Chromium and Firefox. */
import { conformanceTests } from './conformance/suite.ts'
import { GROUPS } from './runtimes/all.ts'

conformanceTests(GROUPS.browsers)
