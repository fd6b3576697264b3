/** EXAONE 3 and 3.5: LG AI Research 2024. */
import type { Architecture } from './architecture.ts'

export const exaone: Architecture = { name: 'exaone', rope: 'half' }
