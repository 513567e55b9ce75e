import { secret } from "@keyferry/base"
import { deriveRecoveryAuth, deriveSecretKey, formatKitCode, parseKitCode } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { compare, fixedRandom, type Topic, type Vector, vector } from "./vector.ts"

/** Source   spec/keys.md KE15 */
export const kit: Topic = {
  name: "kit",
  generate: async () => {
    const random = fixedRandom("kit")
    const account_salt = random.bytes(32)
    const out = new Map<string, Vector>()
    const add = async (name: string, code: Uint8Array, typed: (printed: string) => string): Promise<void> => {
      const rc = secret<"RecoveryCode">(code)
      const printed = formatKitCode(p, rc)
      const sk = await deriveSecretKey(p, rc, account_salt)
      const { recPk } = await deriveRecoveryAuth(p, rc)
      const fields = { typed: typed(printed), account_salt, code, printed, secret_key: sk.reveal(), rec_pk: recPk }
      out.set(name, vector(`[KE15] ${name.replaceAll("-", " ")}`, fields))
    }
    // Many ones and zeros, so that the letters that are read as digits occur.
    const digits = Uint8Array.from({ length: 20 }, (_, i) => (i % 3 === 0 ? 0 : 0x42))
    await add("as-printed", random.bytes(20), (t) => t)
    await add("all-zeros", new Uint8Array(20), (t) => t)
    await add("all-ones", new Uint8Array(20).fill(255), (t) => t)
    await add("lower-case-without-dashes", random.bytes(20), (t) => t.toLowerCase().replaceAll("-", ""))
    await add("letters-for-digits", digits, (t) => t.replaceAll("0", "o").replaceAll("1", "I").replace("KFI", "KFl"))
    await add("spaces-and-no-prefix", random.bytes(20), (t) => ` ${t.slice(4).replaceAll("-", " ")} `)
    await add("typographic-dashes", random.bytes(20), (t) => t.replaceAll("-", "\u2013"))
    const printed = formatKitCode(p, secret(random.bytes(20)))
    const bad = (name: string, typed: string, expect: string): void => {
      out.set(`bad-${name}`, vector(`[KE15] ${name.replaceAll("-", " ")}`, { typed, account_salt }, expect))
    }
    bad("too-short", printed.slice(0, -1), "wrong-length")
    bad("too-long", `${printed}0`, "wrong-length")
    bad("other-prefix", printed.replace("KF1", "KF2"), "wrong-length")
    bad("empty", "", "wrong-length")
    bad("letter-u", `${printed.slice(0, -1)}U`, "bad-character")
    bad("punctuation", `${printed.slice(0, -1)}!`, "bad-character")
    bad("wrong-character", printed.slice(0, 5) + (printed[5] === "7" ? "8" : "7") + printed.slice(6), "check-failed")
    bad("wrong-check", printed.slice(0, -1) + (printed.at(-1) === "7" ? "8" : "7"), "check-failed")
    return out
  },
  check: async (fields) => {
    const code = parseKitCode(p, fields.text("typed"))
    if (!code.ok) return code.error
    const sk = await deriveSecretKey(p, code.value, fields.bytes("account_salt"))
    const { recPk } = await deriveRecoveryAuth(p, code.value)
    const bytes = { code: code.value.reveal(), secret_key: sk.reveal(), rec_pk: recPk }
    return compare(fields, { ...bytes, printed: formatKitCode(p, code.value) })
  },
}
