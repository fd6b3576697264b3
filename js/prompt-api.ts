/** cria/prompt-api: Chrome's Prompt API with a model of cria. */

export { createPromptApi, installPromptApi } from './prompt/api.ts'
export type {
  PromptApi,
  PromptAvailability,
  PromptCreateOptions,
  PromptMessage,
  PromptModel,
  PromptOptions,
  PromptSession,
  PromptTool,
} from './prompt/types.ts'
