/** The golden models of LLaMA's kin: the shared ones, and those of tests/fixtures/kin, which have what these lack. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
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

/** SHA-256 of the models, and of the text, that committed references of llama.cpp's tools were made of. */
const MADE_OF = JSON.parse(readFileSync('tests/fixtures/kin-references.json', 'utf8')) as Record<string, string>

function isKnown(name: string, path: string): boolean {
  return existsSync(path) && MADE_OF[name] === createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** Whether committed references are of this model: the shared ones may be replaced by others. `text`: and of the shared text. */
export function hasReferences({ name, gguf }: Pick<KinFile, 'name' | 'gguf'>, text = false): boolean {
  return isKnown(name, gguf) && (!text || isKnown('perplexity.txt', shared('goldens', 'perplexity.txt')))
}
