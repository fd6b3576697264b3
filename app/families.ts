/** A short list of models to begin with: small ones first. Files of README's table, whose architectures the engine has. */

export interface Family {
  readonly name: string
  /** Of the file, about: the header says it to the byte. */
  readonly bytes: number
  readonly about: string
  readonly address: string
}

export const FAMILIES: readonly Family[] = [
  {
    name: 'SmolLM2 135M',
    bytes: 105e6,
    about: 'Tiny and quick; simple English',
    address: 'hf:bartowski/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q4_K_M.gguf',
  },
  {
    name: 'Qwen 2.5 0.5B',
    bytes: 491e6,
    about: 'Many languages',
    address: 'hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf',
  },
  {
    name: 'Qwen 3 0.6B',
    bytes: 639e6,
    about: 'Thinks before it answers',
    address: 'hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf',
  },
  {
    name: 'Gemma 3 1B',
    bytes: 806e6,
    about: 'Writes well',
    address: 'hf:ggml-org/gemma-3-1b-it-GGUF/gemma-3-1b-it-Q4_K_M.gguf',
  },
  {
    name: 'Llama 3.2 1B',
    bytes: 808e6,
    about: 'All-round',
    address: 'hf:bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf',
  },
  {
    name: 'Granite 3.3 2B',
    bytes: 1.55e9,
    about: 'For documents and code',
    address: 'hf:ibm-granite/granite-3.3-2b-instruct-GGUF/granite-3.3-2b-instruct-Q4_K_M.gguf',
  },
  {
    name: 'SmolLM3 3B',
    bytes: 1.92e9,
    about: 'Thinks where it is asked to',
    address: 'hf:ggml-org/SmolLM3-3B-GGUF/SmolLM3-Q4_K_M.gguf',
  },
  {
    name: 'Phi-4 mini 3.8B',
    bytes: 2.49e9,
    about: 'Reasons well for its size',
    address: 'hf:unsloth/Phi-4-mini-instruct-GGUF/Phi-4-mini-instruct-Q4_K_M.gguf',
  },
  {
    name: 'Mistral 7B',
    bytes: 4.37e9,
    about: 'Needs a desktop with memory to spare',
    address: 'hf:bartowski/Mistral-7B-Instruct-v0.3-GGUF/Mistral-7B-Instruct-v0.3-Q4_K_M.gguf',
  },
]
