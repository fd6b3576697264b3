/** The same bits in Chromium and Firefox. */

import { GROUPS } from '../runtimes/all.ts'
import { conformanceTests } from './suite.ts'

conformanceTests(GROUPS.browsers)
