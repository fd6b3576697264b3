/** The same bits on CPUs that have less. */
import { conformanceTests } from './conformance/suite.ts'
import { GROUPS } from './runtimes/all.ts'

conformanceTests(GROUPS.cpus)
