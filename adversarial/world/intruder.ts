import { bytesToBase64url, formatId } from "@keyferry/base"
import { makeKemKeyPair, makeSigSeed, sigPublicKey, type SigSeed } from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"

import { askServer } from "../../apps/server/src/operator/socket.ts"
import { signInRaw, tokenOf } from "./password-client.ts"
import { type Identity, knock, randomBytes, type RawReply } from "./raw-client.ts"
import { ADDRESS, type AttackWorld, PASSWORD, type Settled } from "./world.ts"

const random = { bytes: randomBytes }

/** Somebody without a device of the account, with fresh keys of a would-be one. */
export interface Intruder {
  readonly deviceId: Uint8Array
  readonly authSeed: SigSeed
  readonly identity: Identity
  /** As `enrol.start` and `signup.start` take it. */
  readonly device: object
}

export const makeIntruder = async (): Promise<Intruder> => {
  const sigSeed = makeSigSeed(random)
  const authSeed = makeSigSeed(random)
  const kem = await makeKemKeyPair(random)
  const deviceId = randomBytes(16)
  return {
    deviceId,
    authSeed,
    identity: { keyId: formatId("dev", deviceId), seed: authSeed.reveal() },
    device: {
      deviceId: formatId("dev", deviceId),
      sigPk: bytesToBase64url(await sigPublicKey(p, sigSeed)),
      kemPk: bytesToBase64url(kem.publicKey),
      authPk: bytesToBase64url(await sigPublicKey(p, authSeed)),
      platform: "Linux",
    },
  }
}

/** Level 1: somebody who knows the password. */
export const levelOne = async (world: AttackWorld, deployment: string, intruder: Intruder): Promise<string> =>
  tokenOf(await signInRaw(world.origin(), deployment, ADDRESS, PASSWORD, intruder.authSeed))

/** Level 2: and a code of the second factor. */
export const levelTwo = async (
  world: AttackWorld,
  deployment: string,
  intruder: Intruder,
  account: Settled,
): Promise<string> => {
  const session = await levelOne(world, deployment, intruder)
  return tokenOf(
    await knock(world.origin(), "login.second-factor", { session, body: { kind: "totp", code: account.code() } }),
  )
}

export const enrolRaw = (world: AttackWorld, intruder: Intruder, session: string): Promise<RawReply> =>
  knock(world.origin(), "enrol.start", { session, body: { device: intruder.device } })

/** A one-time sign-up link, as the operator makes it. */
export const inviteLink = async (world: AttackWorld): Promise<string> => {
  const reply = await askServer(world.serverFolder, { command: "invite" })
  const value: unknown = reply.ok && reply.value.ok ? reply.value.value : undefined
  if (typeof value !== "object" || value === null || !("link" in value)) throw new Error("no invitation")
  return String(value.link)
}
