/**
 * Runs one question at a time. Whoever asks while an answer is under way gets the next one, shared by all who wait, which is as
 * fresh as any of them wanted.
 */
export const oneAtATime = (run: (fresh: boolean) => Promise<void>): ((fresh?: boolean) => Promise<void>) => {
  let running: Promise<void> | undefined
  let next: { readonly fresh: boolean; readonly answer: PromiseWithResolvers<void> } | undefined
  const ask = (fresh = false): Promise<void> => {
    if (running === undefined) {
      running = run(fresh).finally(() => {
        running = undefined
        const waiting = next
        next = undefined
        if (waiting !== undefined) void ask(waiting.fresh).then(waiting.answer.resolve, waiting.answer.reject)
      })
      return running
    }
    next = { fresh: fresh || next?.fresh === true, answer: next?.answer ?? Promise.withResolvers<void>() }
    return next.answer.promise
  }
  return ask
}
