/** The same bits on CPUs that have less. */

import { GROUPS } from '../runtimes/all.ts'
import { conformanceTests } from './suite.ts'

conformanceTests(GROUPS.cpus)
