/** Addresses of the Hugging Face hub's files. */

export const HUB = 'https://huggingface.co'

/** A file of the hub. */
export interface HubFile {
  /** `owner/repo`. */
  id: string
  revision: string
  path: string
}

/** @param endpoint the hub's address, or a mirror's, without a slash at the end */
export function hubUrl({ id, revision, path }: HubFile, endpoint: string = HUB): string {
  const parts = [...id.split('/'), 'resolve', revision, ...path.split('/')]
  return [endpoint, ...parts.map(encodeURIComponent)].join('/')
}
