import { bytesToHex, Defect, expectOk } from "@keyferry/base"
import {
  type AccountState,
  accountKeyRecipients,
  accountPayload,
  ACCOUNT_HOLDER_REMOVE,
  createMemoryTree,
  createTrie,
  encodeLink,
  epochRotateStruct,
  emptyRoot,
  holderRemoveStruct,
  itemsPayload,
  type Link,
  type MemoryTree,
  newestAccountKey,
  OP_DEL,
  OP_PUT,
  type Op,
  personalRecipients,
  REASON_LOST,
  ROTATE_REMOVAL,
  signPayload,
  VAULT_EPOCH_ROTATE,
  VAULT_PERSONAL,
  vaultGenesisPayload,
  vaultPayload,
  type VaultState,
  verifyAccountLink,
  verifyVaultLink,
} from "@keyferry/chain"
import {
  ctHash,
  encodeRecord,
  encodeWrapEntry,
  makeVaultKey,
  type Sealed,
  sealedHash,
  sealedStruct,
  sealRecord,
  type VaultKey,
  type WrapEntry,
  wrapsHash,
} from "@keyferry/crypto"
import {
  PUSH_ACCEPTED,
  type PushResult,
  type SyncReply,
  syncReplyStruct,
  type SyncRequest,
  type VaultPush,
} from "@keyferry/protocol"
import type { Executed } from "@keyferry/strongroom-api"

import { allHandlers } from "../all-handlers.ts"
import {
  createWorld,
  makeActive,
  type Person,
  p,
  random,
  type Reach,
  reachOf,
  send,
  signUp,
  type TestDevice,
  type World,
} from "../fixture.ts"

/*
 * A device as the strongroom's tests need one: it keeps what it has verified of an account and one vault, and makes the
 * next link of either. Development only.
 */
export interface Writer {
  readonly device: TestDevice
  account: AccountState
  vault: VaultState | undefined
  tree: MemoryTree
  key: VaultKey
  /** ct_hash of the newest revision, by item id in hex. */
  readonly hashes: Map<string, Uint8Array>
}

export const writerOf = (person: Person, device: TestDevice = person.device, account = person.chain): Writer => ({
  device,
  account,
  vault: undefined,
  tree: createMemoryTree(createTrie(p)),
  key: makeVaultKey(random),
  hashes: new Map(),
})

/** A strongroom with one person who is active and has no vault yet: where the tests of vaults begin. */
export interface VaultWorld {
  readonly world: World
  readonly reach: Reach
  readonly person: Person
  readonly writer: Writer
}

export const createVaultWorld = async (): Promise<VaultWorld> => {
  const world = await createWorld(allHandlers)
  const reach = reachOf(world)
  const person = await signUp(reach)
  await makeActive(reach, person)
  return { world, reach, person, writer: writerOf(person) }
}

/** What a handler is told of a device whose request was verified while it had this state. */
export const signingOf = <S extends "active" | "approved">(person: Person, device: TestDevice, state: S) => ({
  accountUuid: person.accountUuid,
  accountId: person.accountId,
  deviceId: device.deviceId,
  state,
  sigPk: device.keys.sigPk,
  lastFactorMs: 0,
  lastPasswordMs: 0,
})

/** Another device that has read everything the first one has. */
export const sameVault = (writer: Writer, device: TestDevice): Writer => ({
  ...writer,
  device,
  hashes: new Map(writer.hashes),
})

export const vaultOf = (writer: Writer): VaultState => {
  if (writer.vault === undefined) throw new Defect("no vault yet")
  return writer.vault
}

export const cursorOf = (writer: Writer) => {
  const { id, head } = vaultOf(writer)
  return [id, head.seq, head.hash] as const
}

/** A wrap that nobody opens: the strongroom cannot tell. */
export const blindWrap = (recipient: Uint8Array, kemPk: Uint8Array): WrapEntry => ({
  recipient,
  kemPkHash: p.sha256(kemPk),
  enc: random.bytes(1120),
  ct: random.bytes(48),
})
export const blindSealed = (): Sealed => ({ salt: random.bytes(32), commit: random.bytes(32), ct: random.bytes(48) })

const sign = (writer: Writer, payload: Uint8Array): Promise<Link> => signPayload(writer.device.signer, payload)
const tsOf = (writer: Writer) => ({ byHolder: writer.device.deviceId, ts: 1 })

/** The next state, if the link is right. A test that sends a wrong link does not call this. */
export const accept = async (writer: Writer, link: Link): Promise<void> => {
  const step = expectOk(
    await verifyVaultLink(p, writer.vault, link, {
      account: () => writer.account,
      tree: writer.tree,
    }),
    "fixture link",
  )
  writer.vault = step.state
  writer.tree = step.tree
}

export const genesisPush = async (writer: Writer, others?: readonly WrapEntry[]): Promise<VaultPush> => {
  const { account } = writer
  const wraps = others ?? [blindWrap(account.id, newestAccountKey(account).kemPk)]
  const epoch = {
    epoch: 1,
    recipients: personalRecipients(p, account, account.head.seq) ?? [],
    wrapsHash: wrapsHash(p, wraps),
    confirm: random.bytes(32),
  }
  const body = {
    kind: VAULT_PERSONAL as typeof VAULT_PERSONAL,
    owner: account.id,
    vaultSalt: random.bytes(32),
    epoch,
    root: emptyRoot(p),
    count: 0,
  }
  const link = await sign(writer, vaultGenesisPayload(account, body, tsOf(writer)))
  await accept(writer, link)
  return { vaultId: vaultOf(writer).id, links: [encodeLink(link)], records: [], wraps: wraps.map(encodeWrapEntry) }
}

export interface PutOptions {
  readonly text?: string
  /** Overrides of the header, for records that are not what their link says. */
  readonly header?: Partial<Parameters<typeof sealRecord>[2]["header"]>
}

/** A record for the next revision of an item, and its op. */
export const makePut = async (
  writer: Writer,
  itemId: Uint8Array,
  options: PutOptions = {},
): Promise<{ readonly op: Op; readonly record: Uint8Array }> => {
  const vault = vaultOf(writer)
  const [leaf] = await writer.tree.leavesOf([itemId])
  const rev = (leaf?.rev ?? 0) + 1
  const record = await sealRecord(p, random, {
    key: writer.key,
    header: {
      kind: 1,
      vid: vault.id,
      epoch: vault.epochs.length,
      itemId,
      rev,
      byUid: writer.account.id,
      by: writer.device.deviceId,
      prevCtHash: writer.hashes.get(bytesToHex(itemId)) ?? new Uint8Array(32),
      ...options.header,
    },
    plaintext: new TextEncoder().encode(options.text ?? "secret"),
  })
  const hash = ctHash(p, record)
  const bytes = encodeRecord(record)
  writer.hashes.set(bytesToHex(itemId), hash)
  return { op: [OP_PUT, itemId, rev, vault.epochs.length, hash, bytes.length], record: bytes }
}

export const makeDelete = async (writer: Writer, itemId: Uint8Array): Promise<Op> => {
  const [leaf] = await writer.tree.leavesOf([itemId])
  return [OP_DEL, itemId, (leaf?.rev ?? 0) + 1, vaultOf(writer).epochs.length, new Uint8Array(32), 0]
}

/** One items link of these ops and what it speaks of; the writer goes on from it. */
export const itemsPush = async (
  writer: Writer,
  puts: readonly { readonly op: Op; readonly record: Uint8Array }[],
  deletes: readonly Op[] = [],
): Promise<VaultPush> => {
  const vault = vaultOf(writer)
  const ops = [...puts.map(({ op }) => op), ...deletes]
  const payload = await itemsPayload(vault, writer.account, writer.tree, ops, tsOf(writer))
  const link = await sign(writer, payload)
  await accept(writer, link)
  return { vaultId: vault.id, links: [encodeLink(link)], records: puts.map(({ record }) => record) }
}

export const putPush = async (writer: Writer, itemId: Uint8Array, options: PutOptions = {}): Promise<VaultPush> =>
  itemsPush(writer, [await makePut(writer, itemId, options)])

/** The next key epoch of the vault, for the account as the writer knows it. */
export const rotationPush = async (writer: Writer): Promise<VaultPush> => {
  const vault = vaultOf(writer)
  const { account } = writer
  const wraps = [blindWrap(account.id, newestAccountKey(account).kemPk)]
  const older = blindSealed()
  const body = {
    epoch: {
      epoch: vault.epochs.length + 1,
      recipients: personalRecipients(p, account, account.head.seq) ?? [],
      wrapsHash: wrapsHash(p, wraps),
      confirm: random.bytes(32),
      prevSealedHash: sealedHash(p, older),
    },
    reason: ROTATE_REMOVAL as typeof ROTATE_REMOVAL,
    root: vault.root,
    count: vault.count,
  }
  const link = await sign(
    writer,
    vaultPayload(vault, account, VAULT_EPOCH_ROTATE, epochRotateStruct, body, tsOf(writer)),
  )
  await accept(writer, link)
  return {
    vaultId: vault.id,
    links: [encodeLink(link)],
    records: [],
    wraps: wraps.map(encodeWrapEntry),
    prevSealed: sealedStruct.encode(older),
  }
}

/** Joins pushes of one vault into one, as a device that pipelines does. */
export const joined = (...pushes: readonly VaultPush[]): VaultPush => {
  const [first] = pushes
  if (first === undefined) throw new Defect("nothing to join")
  return { ...first, links: pushes.flatMap((x) => x.links), records: pushes.flatMap((x) => x.records) }
}

/** A link that starts a new account key epoch without these devices, with all that comes with it. */
export const removal = async (
  writer: Writer,
  ids: readonly Uint8Array[],
): Promise<{
  readonly link: Uint8Array
  readonly wraps: readonly Uint8Array[]
  readonly prevSealed: Uint8Array
  readonly next: AccountState
}> => {
  const { account } = writer
  const gone = new Set(ids.map(bytesToHex))
  const recipients = accountKeyRecipients(account).filter(({ id }) => !gone.has(bytesToHex(id)))
  const wraps = recipients.map(({ id, kemPk }) => blindWrap(id, kemPk))
  const older = blindSealed()
  const key = {
    epoch: newestAccountKey(account).epoch + 1,
    kemPk: random.bytes(1216),
    wrapsHash: wrapsHash(p, wraps),
    prevSealedHash: sealedHash(p, older),
  }
  const body = { ids, reason: REASON_LOST as typeof REASON_LOST, key, skSealed: random.bytes(100), retired: [] }
  const link = await sign(
    writer,
    accountPayload(account, ACCOUNT_HOLDER_REMOVE, holderRemoveStruct, body, tsOf(writer)),
  )
  const next = expectOk(await verifyAccountLink(p, account, link), "removal")
  return { link: encodeLink(link), wraps: wraps.map(encodeWrapEntry), prevSealed: sealedStruct.encode(older), next }
}

export const syncBody = (writer: Writer, over: Partial<SyncRequest> = {}): SyncRequest => ({
  account: [writer.account.head.seq, writer.account.head.hash],
  cursors: [],
  pushes: [],
  maxBytes: 4 * 1024 * 1024,
  ...over,
})

export const decodeSync = (answer: Executed): SyncReply => {
  if (answer.status !== 200) throw new Defect(`${answer.status} ${answer.code ?? ""} ${answer.detail ?? ""}`)
  return expectOk(syncReplyStruct.decode(answer.body, 64 * 1024 * 1024), "sync reply")
}

export const doSync = async (
  reach: Reach,
  writer: Writer,
  over: Partial<SyncRequest> = {},
  options: Parameters<typeof send>[4] = {},
): Promise<SyncReply> => decodeSync(await send(reach, writer.device, "sync", syncBody(writer, over), options))

export const doPush = async (
  reach: Reach,
  writer: Writer,
  push: VaultPush,
  options: Parameters<typeof send>[4] = {},
): Promise<PushResult> => {
  const reply = await doSync(reach, writer, { pushes: [push] }, options)
  const [result] = reply.results
  if (result === undefined) throw new Defect("no result")
  return result
}

/** Makes the writer's vault, accepted by the strongroom. */
export const beginVault = async (reach: Reach, writer: Writer): Promise<void> => {
  const { outcome, code } = await doPush(reach, writer, await genesisPush(writer))
  if (outcome !== PUSH_ACCEPTED) throw new Defect(`no vault: ${code ?? outcome}`)
}

export const itemId = (): Uint8Array => random.bytes(16)
