/** An answer token by token, shaded by how sure the model was; of each token what else could have come. */
import { useState } from 'preact/hooks'
import type { TokenChoice } from '../conversation.ts'

export function Tokens({ tokens }: { tokens: readonly TokenChoice[] }) {
  const [open, setOpen] = useState<number>()
  const chosen = open === undefined ? undefined : tokens[open]
  return (
    <div class="tokens">
      <p class="tokens-text">
        {tokens.map(({ text, probability }, i) => (
          <button
            key={i}
            type="button"
            class={`token sure-${Math.min(4, Math.floor(probability * 5))}`}
            aria-label={`${text.trim() || 'blank'}, ${percent(probability)}`}
            aria-expanded={open === i}
            onMouseEnter={() => setOpen(i)}
            onFocus={() => setOpen(i)}
            onClick={() => setOpen(i)}
          >
            {text}
          </button>
        ))}
      </p>
      {chosen ? (
        <table class="alternatives">
          <caption>What could have come here</caption>
          <tbody>
            {chosen.others.map(({ text, probability }) => (
              <tr key={text} class={text === chosen.text ? 'chosen' : ''}>
                <th scope="row">
                  <code>{JSON.stringify(text)}</code>
                </th>
                <td>{percent(probability)}</td>
                <td aria-hidden="true">
                  <meter min={0} max={1} value={probability} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p class="quiet">Point at a token to see what else could have come.</p>
      )}
    </div>
  )
}

function percent(probability: number): string {
  return probability < 0.001 ? '< 0.1 %' : `${(100 * probability).toFixed(1)} %`
}
