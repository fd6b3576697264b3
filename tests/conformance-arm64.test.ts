/** The same bits on arm64. */
import { conformanceTests } from './conformance/suite.ts'
import { GROUPS } from './runtimes/all.ts'

conformanceTests(GROUPS.arm64)
