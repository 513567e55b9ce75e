// Loaded before a process of the product: its wall clock is ahead by the milliseconds that stand in a file, which a test
// raises. Days pass without waiting for them. The runtime's own clocks and the product's code stay as they are.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { cwd, env } from "node:process"

const path = env.KF_CLOCK_FILE ?? join(cwd(), "clock-ahead")
const realNow = Date.now
const ahead = () => {
  try {
    return Number(readFileSync(path, "utf8"))
  } catch {
    // No test has moved it yet.
    return 0
  }
}
Date.now = () => realNow() + ahead()
// The start of this process, as its own wall clock would have told it.
Object.defineProperty(performance, "timeOrigin", { value: performance.timeOrigin + ahead() })
