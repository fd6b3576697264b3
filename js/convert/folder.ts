/** The files of a Hugging Face folder, opened when they are asked for. */
import * as platform from '#platform'
import { FormatError } from '../errors.ts'
import { openSource } from '../source/source.ts'
import type { ModelInput, Source } from '../source/types.ts'
import { asObject, type Json } from '../util/json.ts'

/** Far above any real file of text: a vocabulary takes 30 MB. */
const MOST_TEXT = 1 << 28

export class Folder {
  private readonly opened: Source[] = []

  /** `files`: what is read, by its name in the folder. */
  constructor(
    private readonly files: ReadonlyMap<string, ModelInput>,
    private readonly signal?: AbortSignal,
  ) {}

  get names(): string[] {
    return [...this.files.keys()]
  }

  has(name: string): boolean {
    return this.files.has(name)
  }

  /** @throws FormatError FILE_MISSING; SourceError where it cannot be read */
  async open(name: string): Promise<Source> {
    const input = this.files.get(name)
    if (input === undefined) {
      throw new FormatError('FILE_MISSING', `The folder has no ${name}: download the whole model again.`, name)
    }
    const source = await openSource(input, platform.openFile, this.signal ? { signal: this.signal } : {})
    this.opened.push(source)
    return source
  }

  async bytes(name: string): Promise<Uint8Array> {
    const source = await this.open(name)
    if (source.size > MOST_TEXT) {
      const message = `${name} has ${source.size} bytes; more than ${MOST_TEXT} are not believed: download it again.`
      throw new FormatError('FILE_SIZE', message, name)
    }
    const bytes = new Uint8Array(source.size)
    await source.read(bytes, 0, this.signal)
    return bytes
  }

  async text(name: string): Promise<string> {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(await this.bytes(name))
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause
      throw new FormatError('FILE_TEXT', `${name} is no UTF-8: it is damaged; download it again.`, name, { cause })
    }
  }

  /** A JSON object. @throws FormatError FILE_JSON for anything else */
  async json(name: string): Promise<Json> {
    const object = asObject(await this.parse(name))
    if (object) return object
    throw new FormatError('FILE_JSON', `${name} should hold a JSON object: it is damaged; download it again.`, name)
  }

  /** A JSON array. @throws FormatError FILE_JSON for anything else */
  async array(name: string): Promise<unknown[]> {
    const parsed = await this.parse(name)
    if (Array.isArray(parsed)) return parsed
    throw new FormatError('FILE_JSON', `${name} should hold a JSON array: it is damaged; download it again.`, name)
  }

  private async parse(name: string): Promise<unknown> {
    try {
      return JSON.parse(await this.text(name))
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause
      const message = `${name} is no JSON (${cause.message}): it is damaged; download it again.`
      throw new FormatError('FILE_JSON', message, name, { cause })
    }
  }

  async jsonIfPresent(name: string): Promise<Json | undefined> {
    return this.has(name) ? this.json(name) : undefined
  }

  async close(): Promise<void> {
    await Promise.all(this.opened.map((source) => source.close()))
  }
}
