import { equalBytes, type Secret, secret } from "@keyferry/base"

import { type Device, type FullKeys, type LocalKeys } from "./device.ts"
import { type KeyBundle, keyBundle } from "./formats.ts"
import type { Row } from "./ports.ts"
import { sealRow } from "./sealing.ts"

/** Holds the keys of an opened bundle in memory. */
export const setFull = (device: Device, bundle: KeyBundle, onKey: Secret<"OnlineKey">): void => {
  const vaultKeys = new Map<string, Map<number, Secret<"VaultKey">>>()
  for (const [vaultId, epoch, key] of bundle.vaultKeys) {
    const hex = [...vaultId].map((b) => b.toString(16).padStart(2, "0")).join("")
    const epochs = vaultKeys.get(hex) ?? new Map<number, Secret<"VaultKey">>()
    epochs.set(epoch, secret<"VaultKey">(key))
    vaultKeys.set(hex, epochs)
  }
  const full: FullKeys = {
    sigSeed: secret<"SigSeed">(bundle.sigSeed),
    kemSeed: secret<"KemSeed">(bundle.kemSeed),
    accountSeeds: new Map(bundle.accountSeeds.map(([epoch, seed]) => [epoch, secret<"AccountSeed">(seed)])),
    vaultKeys,
    onKey,
    ...(bundle.offlineKey === undefined ? {} : { offlineKey: secret<"OfflineKey">(bundle.offlineKey) }),
  }
  device.full = full
  device.local = { standard: secret<"StandardKey">(bundle.standardKey), strict: secret<"StrictKey">(bundle.strictKey) }
}

/** The links beside the store are in clear: an older copy of them, put in their place, would forget a removal. */
export const isChainOfBundle = ({ account }: Device, { accountHead: [seq, hash] }: KeyBundle): boolean => {
  if (seq === 0) return true
  const known = account?.hashes[seq - 1]
  return known !== undefined && equalBytes(known, hash)
}

/** Seals the device key bundle as it is in memory now. */
export const bundleRow = async (device: Device, full: FullKeys, keys: LocalKeys): Promise<Row> => {
  if (keys.strict === undefined) throw new Error("the bundle is sealed only when it was open")
  const vaultKeys: [Uint8Array, number, Uint8Array][] = []
  for (const [hex, epochs] of full.vaultKeys) {
    const vaultId = Uint8Array.from(hex.match(/../g) ?? [], (h) => Number.parseInt(h, 16))
    for (const [epoch, key] of epochs) vaultKeys.push([vaultId, epoch, key.reveal()])
  }
  const head = device.account?.head
  const bundle: KeyBundle = {
    sigSeed: full.sigSeed.reveal(),
    kemSeed: full.kemSeed.reveal(),
    accountSeeds: [...full.accountSeeds].map(([epoch, seed]) => [epoch, seed.reveal()]),
    vaultKeys,
    standardKey: keys.standard.reveal(),
    strictKey: keys.strict.reveal(),
    ...(full.offlineKey === undefined ? {} : { offlineKey: full.offlineKey.reveal() }),
    accountHead: [head?.seq ?? 0, head?.hash ?? new Uint8Array(32)],
  }
  return {
    table: "bundle",
    key: "on",
    value: await sealRow(
      device.ports.primitives,
      device.ports.random,
      full.onKey,
      "bundle",
      "on",
      keyBundle.encode(bundle),
    ),
  }
}
