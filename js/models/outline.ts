/** What an architecture asks for, where there is no file to find it in. */
import type { ModelConfig } from './config.ts'
import { Finder, type TensorPart } from './tensors.ts'

export class Outline extends Finder {
  /** Of every tensor that was asked for, by name. */
  readonly dimensions = new Map<string, readonly number[]>()

  /** @param wanted which of the tensors that a file may have or lack there shall be */
  constructor(
    config: ModelConfig,
    private readonly wanted: (name: string) => boolean,
  ) {
    super(new Map(), config)
  }

  override has(name: string): boolean {
    return this.wanted(name)
  }

  protected override holdsGate(): boolean {
    return true
  }

  protected override take(name: string, dimensions: number[]): TensorPart {
    this.dimensions.set(name, dimensions)
    return { name, tensor: name, type: 'F32', dimensions, offset: 0, bytes: 0 }
  }
}
