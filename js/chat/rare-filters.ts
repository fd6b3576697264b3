/** The filters that hardly any template names. This is all of a page's chunk: the rest stands in that of template.ts. */
import { RARE_FILTERS } from './jinja/rare-filters.ts'
import { provideFilters } from './template.ts'

export function provideRareFilters(): void {
  provideFilters(RARE_FILTERS)
}
