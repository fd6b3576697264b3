'use client'
import { load } from 'cria'
import { useEffect, useState } from 'react'

export default function Page() {
  const [text, setText] = useState('')
  useEffect(() => {
    const controller = new AbortController()
    const { signal } = controller
    async function tell() {
      await using model = await load('/story.gguf', { signal })
      const story = model.generate('Once upon a time', { maxTokens: 40, temperature: 0, signal })
      for await (const piece of story) setText((all) => all + piece)
    }
    tell().catch((error) => {
      if (!signal.aborted) setText(String(error))
    })
    return () => controller.abort()
  }, [])
  return <output>{text}</output>
}
