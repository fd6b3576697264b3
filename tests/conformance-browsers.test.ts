/** The same bits in Chromium, Firefox and WebKit. */
import { conformanceTests } from './conformance/suite.ts'
import { browsers } from './runtimes/all.ts'

conformanceTests(browsers)
