import { equalBytes } from "@keyferry/base"
import {
  createMemoryTree,
  createTrie,
  decodeLink,
  encodeLink,
  type Link,
  signPayload,
  verifyVaultBootstrap,
  verifyVaultLinks,
} from "@keyferry/chain"
import {
  bootstrapReplyStruct,
  PUSH_ACCEPTED,
  PUSH_CONFLICT,
  PUSH_REFUSED,
  type PushResult,
  type RouteName,
  routes,
  type VaultPush,
  vaultPushStruct,
} from "@keyferry/protocol"
import { isJsonRoute, jsonMessages } from "@keyferry/protocol/schemas"

import { allHandlers } from "../../apps/strongroom/src/all-handlers.ts"
import { cborShapes } from "../../apps/strongroom/src/execute.ts"
import {
  createWorld,
  makeActive,
  NO_LIMITS,
  ORIGIN,
  p,
  type Person,
  reachOf,
  send,
  signRequest,
  signUp,
  type World,
} from "../../apps/strongroom/src/fixture.ts"
import {
  genesisPush,
  itemId,
  makeDelete,
  makePut,
  itemsPush,
  rotationPush,
  syncBody,
  vaultOf,
  type Writer,
  writerOf,
  decodeSync,
} from "../../apps/strongroom/src/vaults/fixture.ts"
import { encodeTree, mutateTree, parseTree } from "./engine/cbor-tree.ts"
import { diceOf, mutateBytes, mutateJson } from "./engine/mutate.ts"
import { mutateText } from "./engine/mutate-text.ts"
import { protocolSamples } from "./engine/samples.ts"
import { sampleOf } from "./engine/schema-samples.ts"
import { type Dice, type FuzzTarget, promise } from "./engine/target.ts"

/*
 * The real strongroom in memory, and a person whose device signs whatever it is told to: a valid account turned hostile.
 * Keys are new each time, so an input is the dice of one conversation, not its bytes.
 */
interface Scene {
  readonly world: World
  readonly person: Person
  writer: Writer
  said: number
}

type Outcome = Pick<PushResult, "outcome" | "code">

const openScene = async (): Promise<Scene> => {
  const world = await createWorld(allHandlers, { storeUrl: "sqlite::memory:", leaseStoreUrl: "sqlite::memory:" })
  const person = await signUp(reachOf(world))
  await makeActive(reachOf(world), person)
  const writer = writerOf(person)
  const made: Scene = { world, person, writer, said: 0 }
  const answer = await push(made, await genesisPush(writer))
  promise(answer.outcome === PUSH_ACCEPTED, "the scene's own genesis was refused")
  return made
}

/** One for each target: what one says to its account must not shut the other out. */
const scenes = new Map<string, Scene>()

/** A conversation changes the account; after some of them, and when the device was shut out, there is a new one. */
const sceneOf = async (name: string): Promise<Scene> => {
  const known = scenes.get(name)
  if (known !== undefined && known.said++ < 150) {
    const { status } = await send(reachOf(known.world), known.person.device, "sync", syncBody(known.writer))
    if (status === 200) return known
  }
  await closeScene(name)
  const opened = await openScene()
  scenes.set(name, opened)
  return opened
}

const closeScene = async (name: string): Promise<void> => {
  await scenes.get(name)?.world.close()
  scenes.delete(name)
}

const push = async ({ world, writer }: Scene, one: VaultPush): Promise<Outcome> => {
  const answer = await send(reachOf(world), writer.device, "sync", syncBody(writer, { pushes: [one] }))
  const [result] = decodeSync(answer).results
  promise(result !== undefined, "no result")
  return result
}

const signedRoutes = (Object.keys(routes) as RouteName[]).filter((name) => routes[name].owner === "strongroom")

const bodyFor = (name: RouteName, dice: Dice): Uint8Array => {
  if (routes[name].body === "none") return dice.chance(10) ? dice.bytes(3) : new Uint8Array()
  if (isJsonRoute(name)) {
    const sample = sampleOf(jsonMessages[name].body, dice)
    const text = JSON.stringify(dice.chance(4) ? sample : mutateJson(dice, sample))
    return new Uint8Array(Buffer.from(dice.chance(8) ? mutateText(dice, text) : text))
  }
  const own = (cborShapes as Partial<Record<string, { body: unknown }>>)[name]?.body
  const key = Object.keys(protocolSamples).find((one) => SHAPES[one] === own)
  const sample =
    protocolSamples[dice.chance(8) || key === undefined ? dice.pick(Object.keys(protocolSamples)) : key] ??
    new Uint8Array()
  const tree = parseTree(sample)
  return tree === undefined || dice.chance(5) ? mutateBytes(dice, sample) : encodeTree(mutateTree(dice, tree))
}

const SHAPES = (await import("@keyferry/protocol")) as unknown as Readonly<Record<string, unknown>>

/** What one person may push, and then something in it changed; a changed payload is signed again. */
const changedPush = async (scene: Scene, dice: Dice): Promise<VaultPush> => {
  const draft: Writer = { ...scene.writer, hashes: new Map(scene.writer.hashes) }
  const genuine = await genuinePush(draft, dice)
  const tree = parseTree(vaultPushStruct.encode(genuine))
  if (tree === undefined) throw new Error("a genuine push that is no CBOR")
  const decoded = vaultPushStruct.decode(encodeTree(mutateTree(dice, tree)), 8 * 1024 * 1024)
  const changed = decoded.ok ? decoded.value : genuine
  if (dice.chance(4)) return changed
  const links = await Promise.all(
    changed.links.map(async (bytes) => {
      const link = decodeLink(bytes)
      return link.ok ? encodeLink(await signPayload(draft.device.signer, link.value.payload)) : bytes
    }),
  )
  return { ...changed, links }
}

const genuinePush = async (writer: Writer, dice: Dice): Promise<VaultPush> => {
  const known = [...writer.hashes.keys()].map((hex) => new Uint8Array(Buffer.from(hex, "hex")))
  if (dice.chance(8)) return rotationPush(writer)
  const chosen = new Map<string, Uint8Array>()
  for (let i = 1 + dice.below(3); i > 0; i--) {
    const id = known.length > 0 && dice.chance(2) ? dice.pick(known) : itemId()
    chosen.set(Buffer.from(id).toString("hex"), id)
  }
  const puts = []
  for (const id of chosen.values()) puts.push(await makePut(writer, id))
  const deletes = []
  for (const id of known.filter((one) => !chosen.has(Buffer.from(one).toString("hex"))).slice(0, 1)) {
    const [leaf] = await writer.tree.leavesOf([id])
    if (leaf !== undefined && !leaf.tombstone && dice.chance(3)) deletes.push(await makeDelete(writer, id))
  }
  return itemsPush(writer, puts, deletes)
}

/** Follows what the strongroom accepted. A link that it takes and a device refuses would freeze every device. */
const follow = async (scene: Scene, one: VaultPush): Promise<void> => {
  const { writer } = scene
  const links: Link[] = []
  for (const bytes of one.links) {
    const link = decodeLink(bytes)
    promise(link.ok, "the strongroom took a link that does not decode")
    links.push(link.value)
  }
  const before = vaultOf(writer)
  const isOurs = equalBytes(one.vaultId, before.id)
  const tree = isOurs ? writer.tree : createMemoryTree(createTrie(p))
  const context = { account: () => writer.account, tree, atCommit: true }
  const seen = await verifyVaultLinks(p, isOurs ? before : undefined, links, context)
  promise(seen.ok, `the strongroom took what a device refuses: ${seen.ok ? "" : seen.error.code}`)
  if (!isOurs) return
  writer.vault = seen.value.state
  writer.tree = seen.value.tree
}

/** A new device's first read of the vault must add up, whatever was pushed before. */
const checkFirstRead = async ({ world, writer }: Scene): Promise<void> => {
  const vault = vaultOf(writer)
  const answer = await send(reachOf(world), writer.device, "bootstrap", {
    vaultId: vault.id,
    maxBytes: 4 * 1024 * 1024,
  })
  promise(answer.status === 200, `first read: ${answer.code}`)
  const reply = bootstrapReplyStruct.decode(answer.body, 64 * 1024 * 1024)
  promise(reply.ok, "a first read of another shape")
  const linkOf = (bytes: Uint8Array): Link => {
    const link = decodeLink(bytes)
    promise(link.ok, "a stored link that does not decode")
    return link.value
  }
  const read = await verifyVaultBootstrap(
    p,
    {
      authorityLinks: reply.value.authorityLinks.map(linkOf),
      headLink: linkOf(reply.value.headLink),
      leaves: reply.value.leaves.map(([id, rev, epoch, ctHash, gone]) => ({
        itemId: id,
        rev,
        epoch,
        ctHash,
        tombstone: gone === 1,
      })),
    },
    () => writer.account,
  )
  promise(read.ok, `a first read that does not verify: ${read.ok ? "" : read.error.code}`)
  promise(
    equalBytes(read.value.state.root, vault.root) && read.value.state.count === vault.count,
    "the stored vault is another",
  )
}

export const targets: readonly FuzzTarget[] = [
  {
    name: "signed-requests",
    make: (dice) => dice.bytes(16),
    run: async (input) => {
      const { world, person } = await sceneOf("signed-requests")
      const dice = diceOf(input)
      const name = dice.pick(signedRoutes)
      const body = bodyFor(name, dice)
      const genuine = await signRequest(
        name,
        person.device.authSeed,
        person.device.deviceId,
        body,
        world.clock.nowMs(),
        {
          query: dice.chance(3) ? mutateText(dice, "after=1").slice(0, 2000) : "",
        },
      )
      const request = dice.chance(6) ? { ...genuine, path: mutateText(dice, genuine.path).slice(0, 200) } : genuine
      const answer = await reachOf(world).call("execute", { request, limits: NO_LIMITS, origins: [ORIGIN] })
      promise(answer.ok, `execute itself failed: ${answer.ok ? "" : answer.error.code}`)
      const { status, code } = answer.value
      promise(status < 500 || code === "kms-unavailable", `${name}: ${status} ${code ?? ""}`)
      promise(
        status === 200 ? code === undefined : code !== undefined,
        `${name}: status ${status} with code ${code ?? "none"}`,
      )
    },
    close: () => closeScene("signed-requests"),
  },
  {
    name: "pushes",
    make: (dice) => dice.bytes(16),
    run: async (input) => {
      const now = await sceneOf("pushes")
      const dice = diceOf(input)
      if (dice.chance(4)) {
        const before = now.writer.hashes
        const draft: Writer = { ...now.writer, hashes: new Map(before) }
        const one = await genuinePush(draft, dice)
        const { outcome, code } = await push(now, one)
        promise(outcome === PUSH_ACCEPTED, `a genuine push was answered ${outcome} ${code ?? ""}`)
        now.writer = draft
      } else {
        const one = await changedPush(now, dice)
        const { outcome } = await push(now, one)
        promise([PUSH_ACCEPTED, PUSH_CONFLICT, PUSH_REFUSED].includes(outcome), `outcome ${outcome}`)
        if (outcome === PUSH_ACCEPTED) {
          await follow(now, one)
          // Which records came with it is not followed here: the next revision of an old item would name a wrong hash.
          now.writer.hashes.clear()
        }
      }
      if (dice.chance(10)) await checkFirstRead(now)
    },
    close: () => closeScene("pushes"),
  },
]
