/** Line drawings of 24 × 24; they say nothing to who cannot see them. */
const PATHS = {
  add: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  menu: 'M4 7h16M4 12h16M4 17h16',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  edit: 'M4 20l1-4L16 5l3 3L8 19zM14 7l3 3',
  again: 'M20 12a8 8 0 1 1-2.4-5.7M20 4v5h-5',
  previous: 'M14 6l-6 6 6 6',
  next: 'M10 6l6 6-6 6',
  down: 'M6 10l6 6 6-6',
  bin: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5',
  settings: 'M4 8h10M18 8h2M4 16h2M10 16h10M16 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4M8 14a2 2 0 1 1 0 4 2 2 0 0 1 0-4',
  tokens: 'M5 19v-6M10 19V5M15 19v-9M20 19v-3',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
} as const

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}

/** A button that is an icon alone; its name is read out and shown on hover. */
export function IconButton(props: {
  icon: keyof typeof PATHS
  label: string
  onClick: () => void
  disabled?: boolean
  pressed?: boolean
  class?: string
}) {
  const { icon, label, onClick, disabled = false, pressed } = props
  return (
    <button
      type="button"
      class={`icon-button ${props.class ?? ''}`}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  )
}
