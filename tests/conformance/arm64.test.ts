/** The same bits on arm64. */

import { GROUPS } from '../runtimes/all.ts'
import { conformanceTests } from './suite.ts'

conformanceTests(GROUPS.arm64)
