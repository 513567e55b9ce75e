/*
 * The fixed mix of plaintexts: 70 % logins of 370 bytes, 20 % API keys of 250, 10 % SSH keys of 1.8 KB. The same number
 * always gives the same text.
 */
const SIZES = [370, 250, 370, 370, 1800, 370, 370, 250, 370, 370] as const

export const itemSize = (n: number): number => SIZES[n % SIZES.length] ?? 370

export const itemText = (n: number): string => {
  const head = `{"n":${n},"v":"`
  let state = (n * 2_654_435_761) >>> 0
  let text = head
  while (text.length < itemSize(n) - 2) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    text += state.toString(36)
  }
  return `${text.slice(0, itemSize(n) - 2)}"}`
}

/** Mean plaintext bytes of the mix. */
export const MEAN_BYTES = SIZES.reduce<number>((sum, size) => sum + size, 0) / SIZES.length
