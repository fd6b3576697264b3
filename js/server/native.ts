/** Endpoints that describe models and their texts, in the shapes of OpenAI and llama-server. */
import type { Model } from '../api/types.ts'
import { reportOf } from '../chat/llama-server.ts'
import { TemplateError, UnsupportedError } from '../errors.ts'
import type { ResolvedOptions } from './handler-options.ts'
import type { NamedModel } from './models.ts'
import { mixedIds } from './prompts.ts'
import type { TokenizeBody } from './schemas.ts'
import { defaultSettings } from './settings.ts'
import { FINGERPRINT, utf8 } from './usage.ts'

/** An entry of `/v1/models`. */
export function modelEntry({ name, card, model: { info } }: NamedModel, created: number): object {
  return {
    id: name,
    object: 'model',
    created,
    owned_by: 'cria',
    aliases: card.aliases ?? [],
    tags: card.tags ?? [],
    meta: {
      n_vocab: info.vocabularySize,
      n_ctx: info.context,
      n_ctx_train: info.trainedContext,
      n_embd: info.embeddingLength,
      n_params: info.parameters,
      size: info.fileBytes,
      ftype: info.type,
    },
  }
}

/** `/props`. */
export function propsOf({ name, model, card, gate }: NamedModel, options: ResolvedOptions): object {
  const { template, defaults, maxTokens, slots } = options
  const { info } = model
  const chat = template === undefined ? {} : { template }
  return {
    default_generation_settings: {
      n_ctx: info.context,
      params: defaultSettings({ ...model.info.sampling, ...defaults, ...(maxTokens !== undefined && { maxTokens }) }),
    },
    total_slots: gate.parallel,
    model_alias: name,
    model_path: card.path ?? '',
    model_ftype: info.type,
    chat_template: withVocabulary(() => model.chatTemplate(chat), ''),
    chat_template_caps: withVocabulary<object>(() => reportOf(model.chatTemplate({ ...chat, tools: [{}] })), {}),
    bos_token: specialToken(model, 'bos_token'),
    eos_token: specialToken(model, 'eos_token'),
    modalities: { vision: false, video: false, audio: false },
    endpoint_slots: slots,
    endpoint_props: false,
    endpoint_metrics: true,
    is_sleeping: false,
    build_info: FINGERPRINT,
  }
}

/** As templates see it. */
function specialToken(model: Model, name: 'bos_token' | 'eos_token'): string {
  const template = `{{ ${name} }}`
  return withVocabulary(() => model.applyTemplate([{ role: 'user', content: '' }], { template }), '')
}

/** `none` where the model's file has no vocabulary, or a template that is no Jinja, which every chat says. */
function withVocabulary<T>(found: () => T, none: T): T {
  try {
    return found()
  } catch (error) {
    if (error instanceof UnsupportedError || error instanceof TemplateError) return none
    throw error
  }
}

export function tokenize(model: Model, body: TokenizeBody): object {
  const { content, add_special: addSpecial = false, parse_special: special = true, with_pieces: pieces } = body
  const tokens = mixedIds([content].flat(), model, 'content', addSpecial, special)
  if (!pieces) return { tokens }
  // As llama-server: the text of a token, or its bytes where they are none.
  const pieceOf = (bytes: Uint8Array): string | number[] => utf8(bytes) ?? Array.from(bytes)
  return { tokens: tokens.map((id) => ({ id, piece: pieceOf(model.tokenBytes(id, { special: true })) })) }
}
