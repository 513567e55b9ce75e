/**
 * Requests of the second in which a strongroom started are refused, and a raw client does not sign twice. A timer may end a
 * millisecond before its time, so the clock is asked.
 */
export const nextSecond = async (): Promise<void> => {
  const second = Math.floor(Date.now() / 1000)
  while (Math.floor(Date.now() / 1000) === second)
    await new Promise((resolve) => setTimeout(resolve, 1000 - (Date.now() % 1000)))
}
