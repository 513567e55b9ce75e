import { bytesToHex, lp } from "@keyferry/base"
import { type Item, kindByName } from "@keyferry/items"

export const sha256 = async (bytes: Uint8Array): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes)))

const WHO = ["username", "login", "uid", "id"]
const WHERE = ["exchange", "url", "address", "service", "wallet-address"]

/**
 * Says that two items are the same thing although nothing links them: kind, title, user, place, and the secrets.
 * A hash of secrets can be guessed from: keep it in memory, never in a store or a log.
 */
export const fingerprintOf = async (item: Pick<Item, "kind" | "title" | "fields">): Promise<string> => {
  const first = (names: readonly string[]): string =>
    names.map((name) => item.fields.get(name)?.value ?? "").find((value) => value !== "") ?? ""
  const specs = kindByName(item.kind)?.fields ?? []
  const isSecret = (name: string, marked: boolean): boolean =>
    marked || specs.some((spec) => spec.name === name && spec.secret)
  const secrets = [...item.fields]
    .filter(([name, field]) => isSecret(name, field.secret) && field.value !== "")
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, field]) => [name, field.value])
  return bytesToHex(
    await sha256(lp("import fingerprint 1", item.kind, item.title, first(WHO), first(WHERE), ...secrets)),
  )
}
