import type { Route } from "@keyferry/protocol"

const MINUTE = 60_000
const HOUR = 60 * MINUTE

export interface LimitRule {
  /** What is counted: everything from one network, of one account, about one address, or signed in the name of one device. */
  readonly by: "network" | "account" | "address" | "device"
  readonly points: number
  readonly windowMs: number
}

/**
 * Limits of one bucket. The strongroom counts tries of codes and leases itself, by account and device, because it alone
 * sees whether they were right; these rules keep one network or one account from keeping it busy.
 */
export const LIMITS: Readonly<Record<Route["limit"], readonly LimitRule[]>> = {
  default: [{ by: "network", points: 1_200, windowMs: MINUTE }],
  login: [
    { by: "network", points: 20, windowMs: MINUTE },
    { by: "address", points: 20, windowMs: HOUR },
    // A device's request key is usable while it is locked, so a thief could try the account's password with it: two
    // requests a try, as many tries as about an address.
    { by: "device", points: 40, windowMs: HOUR },
  ],
  "second-factor": [
    { by: "network", points: 60, windowMs: 15 * MINUTE },
    { by: "account", points: 30, windowMs: 15 * MINUTE },
  ],
  mail: [
    { by: "network", points: 60, windowMs: HOUR },
    { by: "account", points: 20, windowMs: HOUR },
  ],
  confirm: [{ by: "network", points: 60, windowMs: 10 * MINUTE }],
  lease: [{ by: "network", points: 240, windowMs: MINUTE }],
}

/** Mails that one account may cause by asking for a link. */
export const MAIL_PER_ACCOUNT: LimitRule = { by: "account", points: 5, windowMs: HOUR }

/** The network a request counts for: an IPv4 address, or the /64 of an IPv6 address. */
export const networkOf = (ip: string): string => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)
  if (mapped?.[1] !== undefined) return mapped[1]
  if (!ip.includes(":")) return ip
  const [head = "", tail] = ip.toLowerCase().split("%")[0]?.split("::") ?? []
  const front = head === "" ? [] : head.split(":")
  const back = tail === undefined || tail === "" ? [] : tail.split(":")
  const groups =
    tail === undefined ? front : [...front, ...Array(Math.max(0, 8 - front.length - back.length)).fill("0"), ...back]
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`
}
