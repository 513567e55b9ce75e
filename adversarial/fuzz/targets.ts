import type { FuzzTarget } from "./engine/target.ts"

/** Every target by name; its file is loaded only when it runs. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  encoding: ["cbor", "structs", "bytes-texts"],
  chains: ["account-chain", "account-link", "vault-chain", "vault-link", "vault-first-read", "served-links"],
  sealed: ["records", "wraps", "sealed-bytes", "rescue-box", "outer-rows", "opaque-answers", "lease-elements"],
  texts: [
    "kit-text",
    "typed-words",
    "references",
    "signature-input",
    "addresses",
    "server-config",
    "command-line",
    "secret-lines",
  ],
  items: ["item-bodies", "item-fields", "archive-lines"],
  archives: ["tar", "age-files", "archives", "env-files"],
  ssh: ["agent-frames", "agent-messages", "key-files", "public-keys"],
  channels: ["strongroom-frames", "strongroom-calls", "kf-frames", "kf-messages"],
  routes: ["json-bodies", "http-requests"],
  strongroom: ["signed-requests", "pushes"],
  client: ["relay-messages", "lease-tokens", "device-rows", "server-answers", "feed-streams"],
}

export const TARGET_NAMES: readonly string[] = Object.values(FILES).flat()

/** Throws for a name that no file has: a list that promises more than is there would be believed. */
export const loadTargets = async (names: readonly string[]): Promise<readonly FuzzTarget[]> => {
  const found: FuzzTarget[] = []
  for (const [file, listed] of Object.entries(FILES)) {
    const wanted = listed.filter((name) => names.includes(name))
    if (wanted.length === 0) continue
    const { targets } = (await import(`./${file}.ts`)) as { readonly targets: readonly FuzzTarget[] }
    const missing = listed.filter((name) => !targets.some((target) => target.name === name))
    if (missing.length > 0) throw new Error(`${file}.ts has no target ${missing.join(", ")}`)
    found.push(...targets.filter((target) => wanted.includes(target.name)))
  }
  return found
}
