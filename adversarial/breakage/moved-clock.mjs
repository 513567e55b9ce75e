// Loaded before a process of the product: its wall clock is off by this many milliseconds. The product's code stays as it is.
import { env } from "node:process"

const aheadMs = Number(env.KF_CLOCK_AHEAD_MS ?? "0")
const realNow = Date.now
Date.now = () => realNow() + aheadMs
