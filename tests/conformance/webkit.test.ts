/** The same bits in WebKit. */

import { GROUPS } from '../runtimes/all.ts'
import { conformanceTests } from './suite.ts'

conformanceTests(GROUPS.webkit)
