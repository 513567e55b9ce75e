import { randomInt } from "node:crypto"
import { createServer } from "node:net"

/** Linux hands out ports from 32768 on, others from 49152, some sandboxes from 16000. */
const FIRST = 11_000
const END = 16_000

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once("error", () => resolve(false))
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)))
  })

/**
 * A port where nobody listens, for a process that is told its port, or is started again at the same one. It lies below
 * those that a system hands out by itself: whoever is given any port in between is not given this one.
 */
export const freePort = async (): Promise<number> => {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(FIRST, END)
    if (await isFree(port)) return port
  }
  throw new Error(`There is no free port between ${FIRST} and ${END}.`)
}
