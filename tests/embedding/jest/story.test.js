import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { load } from 'cria'

let model
beforeAll(async () => {
  model = await load('models/story.gguf')
})
afterAll(() => model.close())

test('a story begins', async () => {
  const { text } = await model.generate('Once upon a time', { maxTokens: 40, temperature: 0 }).result()
  expect(text).toContain('there was a little girl named Lily')
})
