/**
 * Writes docs/images/app-*.png: the app on a desktop, on a phone, and in the dark, in Chromium. Needs a build, Chromium and
 * `npm ci --prefix tests/runtimes`.
 *
 *     node --import tsx scripts/screenshots.mjs
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { appHandler, appSite } from '../js/cli/app-site.ts'
import { openChromium } from '../tests/runtimes/chromium.ts'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

/** What is shown: written by hand, so that the pictures stay the same. */
const QUESTION = 'How do I read a file line by line in Node?'
const ANSWER = `Use \`readline\` on a stream: the file is never in memory as a whole.

\`\`\`js
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

const lines = createInterface({ input: createReadStream('log.txt') })
for await (const line of lines) console.log(line)
\`\`\`

- \`for await\` waits for each line, so a slow loop slows the reading down.
- A file that ends without a newline gives its last line all the same.`
const STATS = { model: 'SmolLM3 3B', promptTokens: 218, completionTokens: 126, tokensPerSecond: 14.2, seed: 7 }
const FILE = {
  format: 'cria-conversations',
  version: 1,
  conversations: [
    ['Three names for a bakery', 'Crumb, Proof, and The Long Rise.'],
    ['Translate “wind” into Spanish', '**Viento**.'],
    [QUESTION, ANSWER],
  ].map(([question, answer], i) => ({
    id: `c${i}`,
    title: question,
    system: '',
    updated: 1e12 + i,
    leaf: `a${i}`,
    turns: [
      { id: `q${i}`, parent: null, role: 'user', content: question },
      {
        ...{ id: `a${i}`, parent: `q${i}`, role: 'assistant', content: answer, stats: STATS },
        ...(i === 2 && { reasoning: 'The file may be large, so a stream.' }),
      },
    ],
  })),
}
const SHOTS = [
  { name: 'desktop', theme: 'light', width: 1200, height: 760 },
  { name: 'dark', theme: 'dark', width: 1200, height: 760 },
  { name: 'phone', theme: 'light', width: 390, height: 760 },
]

/** The app with a server whose model has the name of the one in the pictures. */
const handle = appHandler(await appSite(new URL('../dist/app/files.json', import.meta.url)), true)
const models = { data: [{ id: STATS.model, meta: { n_ctx: 4096, ftype: 'Q4_K' } }] }
const server = createServer(async (request, response) => {
  if (request.url === '/v1/models') return response.end(JSON.stringify(models))
  const answer = await handle(new Request(`http://localhost${request.url}`))
  if (!answer) return response.writeHead(404).end()
  response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()))
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
// A name without a port, so that the pictures stay the same.
const browser = await openChromium([`--host-resolver-rules=MAP localhost:80 127.0.0.1:${server.address().port}`])
mkdirSync('docs/images', { recursive: true })
try {
  for (const { name, theme, width, height } of SHOTS) {
    const page = await browser.newPage({ viewport: { width, height } })
    await page.goto('http://localhost/')
    await until(page, `document.querySelector('#model')?.textContent === ${JSON.stringify(STATS.model)}`)
    await page.evaluate(`(() => {
      const dataTransfer = new DataTransfer()
      dataTransfer.items.add(new File([${JSON.stringify(JSON.stringify(FILE))}], 'chats.json'))
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }))
    })()`)
    await until(page, 'document.querySelectorAll(".chat-title").length === 3')
    await page.evaluate(
      `document.documentElement.dataset.theme = '${theme}'; document.querySelector('.chat-title').click()`,
    )
    await until(page, 'document.querySelector(".markdown pre")')
    await page.evaluate('document.querySelector(".notice button")?.click()')
    await until(page, '!document.querySelector(".notice")')
    await page.screenshot({ path: `docs/images/app-${name}.png` })
    await page.close()
  }
} finally {
  await browser.close()
  server.close()
}
for (const { name } of SHOTS)
  console.log(`docs/images/app-${name}.png, ${readFileSync(`docs/images/app-${name}.png`).length} bytes`)

async function until(page, condition) {
  while (!(await page.evaluate(`Boolean(${condition})`))) await new Promise((resolve) => setTimeout(resolve, 20))
}
