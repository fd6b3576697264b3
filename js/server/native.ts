/** Endpoints that describe models and their texts, in the shapes of OpenAI and llama-server. */
import type { Model } from '../api/types.ts'
import { UnsupportedError } from '../errors.ts'
import { utf8 } from './usage.ts'

/** An entry of `/v1/models`. */
export function modelEntry(name: string, { info }: Model, created: number): object {
  return {
    id: name,
    object: 'model',
    created,
    owned_by: 'cria',
    meta: {
      n_vocab: info.vocabularySize,
      n_ctx: info.context,
      n_ctx_train: info.trainedContext,
      n_embd: info.embeddingLength,
      n_params: info.parameters,
      size: info.fileBytes,
    },
  }
}

/** `/props`, as far as it says something here. */
export function propsOf(name: string, model: Model, slots: number, template: string | undefined): object {
  const { info } = model
  return {
    default_generation_settings: { n_ctx: info.context },
    total_slots: slots,
    model_alias: name,
    chat_template: template ?? info.chatTemplate ?? '',
    bos_token: specialToken(model, 'bos_token'),
    eos_token: specialToken(model, 'eos_token'),
    modalities: { vision: false, audio: false },
    build_info: 'cria',
  }
}

/** As templates see it; empty where there is none. */
function specialToken(model: Model, name: 'bos_token' | 'eos_token'): string {
  try {
    return model.applyTemplate([{ role: 'user', content: '' }], { template: `{{ ${name} }}` })
  } catch (error) {
    if (error instanceof UnsupportedError) return ''
    throw error
  }
}

export interface TokenizeBody {
  model?: string
  content: string
  add_special?: boolean
  parse_special?: boolean
  with_pieces?: boolean
}

export function tokenize(model: Model, body: TokenizeBody): object {
  const { content, add_special: addSpecial = false, parse_special: special = true, with_pieces: pieces } = body
  const tokens = model.tokenize(content, { special, ...(!addSpecial && { bos: false }) })
  if (!pieces) return { tokens }
  // As llama-server: the text of a token, or its bytes where they are none.
  const pieceOf = (bytes: Uint8Array): string | number[] => utf8(bytes) ?? Array.from(bytes)
  return { tokens: tokens.map((id) => ({ id, piece: pieceOf(model.tokenBytes(id, { special: true })) })) }
}
