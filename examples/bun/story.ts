/**
 * Tells a story on stdout, and on stderr how it runs.
 *
 *     bun add cria
 *     bun story.ts [MODEL] [PROMPT]     MODEL: a path or URL; default the model that comes with cria
 */
import process from 'node:process'
import { capabilities, load, type Model } from 'cria'

const demo = new URL('models/stories260K.gguf', import.meta.resolve('cria/package.json'))
const [file, prompt = 'Once upon a time'] = process.argv.slice(2)
console.error(capabilities().why)
const model: Model = await load(file ?? demo)
process.stdout.write(prompt)
for await (const text of model.generate(prompt, { maxTokens: 60, temperature: 0 })) process.stdout.write(text)
process.stdout.write('\n')
await model.close()
