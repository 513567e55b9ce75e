import process from "node:process"

/**
 * Milliseconds of processor time of this process since the call. For tests that something takes no time: on a machine that is
 * busy with other work the clock on the wall says nothing about that.
 */
export const processorTimer = (): (() => number) => {
  const start = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1000
  }
}
