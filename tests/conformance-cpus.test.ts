/** The same bits on CPUs that have less, and on arm64. */
import { conformanceTests } from './conformance/suite.ts'
import { cpus } from './runtimes/all.ts'

conformanceTests(cpus)
