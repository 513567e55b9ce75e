import { err, ok, type Result } from "@keyferry/base"
import type { Keyferry, RepairReport, VaultRepair } from "@keyferry/sdk"
import { errors, type Failure, failure } from "@keyferry/sdk/errors"

import { confirmed, type Context } from "./context.ts"
import { count, iso } from "./format.ts"

/** One line of `kf doctor`. */
export interface Check {
  readonly name: string
  readonly state: "good" | "look" | "bad"
  readonly found: string
  readonly fix?: string
}

/** Brings back what a restored server lost, and says of each vault what became of it. */
export const repairChecks = async (keyferry: Keyferry): Promise<readonly Check[]> => {
  const repaired = await keyferry.repair()
  if (!repaired.ok) {
    const { code, detail } = repaired.error
    const found = `${errors[code].sentence}${detail === undefined ? "" : ` ${detail}`}`
    return [{ name: "repair", state: "bad", found, fix: errors[code].action }]
  }
  const { value } = repaired
  return [
    { name: "repair", state: "good", found: accountWords(value) },
    ...value.vaults.map(vaultCheck),
    ...(value.passwordLost
      ? [
          {
            name: "password",
            state: "bad" as const,
            found: "The restored server has lost the account's password; no new device can sign in.",
            fix: "kf password --restore",
          },
        ]
      : []),
    ...lossChecks(value),
  ]
}

const accountWords = ({ accountLinks, vaults, rotated }: RepairReport): string => {
  const links = accountLinks + vaults.reduce((n, vault) => n + vault.links, 0)
  const anew = vaults.reduce((n, vault) => n + vault.anew, 0)
  if (links === 0 && !rotated) return "the server has everything that this device knows"
  return [
    `brought back ${count(links, "step")}`,
    ...(anew === 0 ? [] : [`sent ${count(anew, "item")} again`]),
    ...(rotated ? ["made new account keys, because wraps were lost"] : []),
  ].join(", ")
}

const vaultCheck = ({ vault, state, code }: VaultRepair): Check => {
  if (state !== "frozen") return { name: vault.slice(0, 12), state: "good", found: state }
  const why = code === undefined ? "it is frozen" : errors[code].sentence
  return {
    name: vault.slice(0, 12),
    state: "bad",
    found: `${why} Everything in it stays readable here.`,
    fix:
      code === "chain-rolled-back"
        ? "Repair on your other devices; if none has what is missing, ask the operator. Then, if you decide so: kf doctor --take-server"
        : "Two histories: ask the operator what happened and compare with your other devices. Then, if you decide so: kf doctor --take-server",
  }
}

const lossChecks = ({ lossAcceptedAtMs }: RepairReport): readonly Check[] =>
  lossAcceptedAtMs === undefined
    ? []
    : [
        {
          name: "loss",
          state: "look",
          found: `On ${iso(lossAcceptedAtMs)} the operator gave up what no device had brought back.`,
          fix: "Where a vault is frozen on a device, its items are there: kf doctor --take-server sends them again",
        },
      ]

/** The person's own decision; a script says --yes. */
export const takeServer = async (context: Context, keyferry: Keyferry): Promise<Result<Check, Failure>> => {
  const go = await confirmed(
    context,
    "Go on with the history that the server shows? What it lost since is sent again from here, merged item by item. Do this only if you know why the two differ.",
  )
  if (!go.ok) return go
  if (!go.value) return err(failure("not-allowed", "You said no; nothing was changed."))
  const taken = await keyferry.takeServerHistory()
  if (!taken.ok) return taken
  const { vaults, sent, received } = taken.value
  return ok({
    name: "server's side",
    state: "good",
    found: `read ${count(vaults.length, "vault")} anew: received ${received}, sent ${sent}`,
  })
}
