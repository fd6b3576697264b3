/** Which blocks of a text in Markdown are complete while it streams. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { splitBlocks } from '../../app/markdown.ts'

const TEXT = `# Title

A paragraph with *marks*
over two lines.

- one
- two

  within two
- three

1. first
   \`\`\`js
   const a = 1

   const b = 2
   \`\`\`
2. second

> quoted
still quoted

\`\`\`
code

more code
\`\`\`

| a | b |
|---|---|
| 1 | 2 |

Heading
=======

<details>

inner

</details>

***

    indented

    code

The end.`

const raws = (blocks: { raw: string }[]): string[] => blocks.map(({ raw }) => raw)

test('a block that is complete stays as it is, whatever follows', () => {
  const whole = splitBlocks(TEXT)
  const all = raws([...whole.complete, ...whole.rest])
  assert.is(all.join(''), TEXT)
  assert.ok(all.length > 15)
  for (let length = 0; length <= TEXT.length; length++) {
    const { complete, rest, length: counted } = splitBlocks(TEXT.slice(0, length))
    const found = raws(complete)
    assert.equal(found, all.slice(0, found.length), JSON.stringify(TEXT.slice(Math.max(0, length - 30), length)))
    assert.is(counted, found.join('').length)
    assert.is(rest.length === 0, length === 0)
  }
})

test('all but the last block is complete, once that has a line', () => {
  assert.equal(raws(splitBlocks('One.\n\nTwo.').complete), [])
  assert.equal(raws(splitBlocks('One.\n\nTwo\nand more.').complete), ['One.', '\n\n'])
  assert.equal(raws(splitBlocks('```\na\n\nb').complete), [])
  assert.equal(splitBlocks(''), { complete: [], rest: [], length: 0 })
})

test('a text that the parser changes is made as one', () => {
  const { complete, length } = splitBlocks('a\r\n\r\nb')
  assert.equal([complete, length], [[], 0])
})

test.run()
