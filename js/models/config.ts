/** The sizes and traits of a model, as its architecture reads them from the metadata. */

/** How heads are rotated by their positions: Su et al. 2021. */
export interface RopeConfig {
  /** Dimensions of a head that are rotated, from the first on; even. */
  dimensions: number
  base: number
  scaling: 'none' | 'linear' | 'yarn' | 'longrope'
  factor: number
  /** Context before it was extended, in tokens. */
  originalContext: number
  /** What cosines and sines are multiplied by, beside YaRN's own factor. */
  attentionFactor: number
  betaFast: number
  betaSlow: number
}

/** What one layer differs in from the others. */
export interface LayerConfig {
  /** Positions that a query sees, its own among them; 0: all before it. */
  window: number
  /** Which of `ropes` rotates its heads; −1: none. */
  rope: number
}

/** Numbers as GGUF has them, without the architecture's prefix. Scales are 1, caps 0 where the architecture has none. */
export interface ModelConfig {
  architecture: string
  name: string
  embeddingLength: number
  /** Of a dense layer, of an expert, and of the network that every token takes beside its experts (0: none). */
  feedForwardLength: number
  expertFeedForwardLength: number
  expertSharedFeedForwardLength: number
  blockCount: number
  /** Layers of the file beyond those, which predict further tokens and are not run. */
  nextnPredictLayers: number
  headCount: number
  headCountKv: number
  /** Dimensions of a head. */
  headDim: number
  /** Rows of the embedding. */
  vocabSize: number
  /** Experts of each layer, 0 where the model is dense, and how many of them a token takes. */
  expertCount: number
  expertUsedCount: number
  /** Whether the weights of the chosen experts are divided by their sum. */
  expertWeightsNorm: boolean
  expertWeightsScale: number
  /** Context the model was trained for, in tokens. */
  contextLength: number
  norm: 'rms' | 'layer'
  epsilon: number
  activation: 'swiglu' | 'geglu' | 'relu2'
  /** Norms of queries and keys: of each head before or after it is rotated, with weights of each head, or of whole rows. */
  headNorm: 'before' | 'after' | 'each' | 'row'
  /** The feed-forward network reads what attention reads. */
  parallel: boolean
  embeddingScale: number
  residualScale: number
  attentionScale: number
  logitScale: number
  attentionCap: number
  logitCap: number
  /** Queries grow by this with the logarithm of their position, in original contexts; 0: not at all. */
  temperatureScale: number
  ropes: readonly RopeConfig[]
  layers: readonly LayerConfig[]
}
