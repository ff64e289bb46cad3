// Buttons that move a line of a list, or take it away. Whoever moves it keeps the focus on them by `data-way`.
/** What a button of a line does with it. */
export type Way = 'up' | 'down' | 'away'

interface MoveButtonProps {
  readonly way: Way
  readonly text: string
  readonly label: string
  readonly isDisabled?: boolean
  readonly onPress: () => void
}

export function MoveButton({ way, text, label, isDisabled = false, onPress }: MoveButtonProps) {
  return (
    <button
      type="button"
      class="button quiet small move"
      data-way={way}
      disabled={isDisabled}
      aria-label={label}
      onClick={onPress}
    >
      {text}
    </button>
  )
}

interface MoveButtonsProps {
  readonly at: number
  readonly count: number
  readonly name: string
  readonly onPress: (at: number, way: 'up' | 'down') => void
}

/** For who has no pointer: a line goes up or down by one. */
export function MoveButtons({ at, count, name, onPress }: MoveButtonsProps) {
  const common = (way: 'up' | 'down') => ({ way, label: `Move ${name} ${way}`, onPress: () => onPress(at, way) })
  return (
    <>
      <MoveButton {...common('up')} text="↑" isDisabled={at === 0} />
      <MoveButton {...common('down')} text="↓" isDisabled={at === count - 1} />
    </>
  )
}
