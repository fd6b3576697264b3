/** The golden models of LLaMA's kin: the shared ones, and those of tests/fixtures/kin, which have what these lack. */
import { existsSync, readdirSync } from 'node:fs'
import { shared } from './shared.ts'

export interface KinFile {
  name: string
  /** Of the model and of its golden. */
  gguf: string
  safetensors: string
}

const OWN = 'tests/fixtures/kin'

/** Paths of the repository's own are relative. */
export function kinFiles(): KinFile[] {
  return [shared('goldens', 'kin'), OWN].filter(existsSync).flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.gguf'))
      .sort()
      .map((file) => {
        const name = file.slice(0, -'.gguf'.length)
        return { name, gguf: `${folder}/${file}`, safetensors: `${folder}/${name}.safetensors` }
      }),
  )
}
