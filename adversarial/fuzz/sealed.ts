import { bytesOf, equalBytes, secret, struct, utf8 } from "@keyferry/base"
import {
  answerOpaqueLogin,
  answerOpaqueRegistration,
  blind,
  ctHash,
  decodeOuter,
  decodeRecord,
  decodeRescue,
  decodeWrapEntry,
  encodeOuter,
  encodeRecord,
  encodeRescue,
  encodeWrapEntry,
  evaluate,
  finalize,
  finishOpaqueLogin,
  makeAccountSeed,
  makeKemKeyPair,
  makeLeaseKey,
  makeOpaqueSetup,
  makeVaultKey,
  makeWrap,
  openOuter,
  openRecord,
  openRescue,
  openSk,
  openWrap,
  pad,
  type OuterKey,
  readRecordHeader,
  sealedHash,
  sealedStruct,
  sealOuter,
  sealRecord,
  sealRescue,
  sealSk,
  startOpaqueLogin,
  startOpaqueRegistration,
  unpad,
  wrapEntryHash,
} from "@keyferry/crypto"
import { nodePrimitives as p } from "@keyferry/crypto/node"
import { createSeededRandom } from "@keyferry/testkit"

import { makeBytes, makeCbor } from "./engine/mutate.ts"
import { type FuzzTarget, promise } from "./engine/target.ts"

/*
 * Everything sealed. The one promise of all of them: a changed byte opens nothing, says so, and says nothing else.
 */
const random = createSeededRandom("sealed things")
const id = (n: number): Uint8Array => new Uint8Array(16).fill(n)
const hash = (n: number): Uint8Array => new Uint8Array(32).fill(n)

const vaultKey = makeVaultKey(random)
const place = { vid: hash(1), itemId: id(2) }
const header = {
  kind: 1,
  epoch: 1,
  rev: 1,
  byUid: hash(3),
  by: id(4),
  prevCtHash: new Uint8Array(32),
  ...place,
} as const
const record = encodeRecord(await sealRecord(p, random, { key: vaultKey, header, plaintext: utf8("an item") }))
const later = encodeRecord(
  await sealRecord(p, random, {
    key: vaultKey,
    header: { ...header, rev: 2, prevCtHash: hash(9), epoch: 3 },
    plaintext: random.bytes(2000),
  }),
)

const recipient = { id: id(5), kem: await makeKemKeyPair(random) }
const context = { kind: 1, chainId: hash(6), epoch: 1, byUid: hash(6), by: id(7), seq: 3, prev: hash(8) } as const
const wrap = encodeWrapEntry(
  await makeWrap(p, random, context, { id: recipient.id, kemPk: recipient.kem.publicKey }, makeAccountSeed(random)),
)

const sym = secret<"AccountSym">(random.bytes(32))
const sealed = sealedStruct.encode(
  await sealSk(p, random, { epoch: 2, sym, secretKey: secret<"SecretKey">(random.bytes(16)) }),
)

const rescuePlace = { uid: hash(1), deviceId: id(1), slotId: id(2) }
const rescue = encodeRescue(
  await sealRescue(p, random, rescuePlace, recipient.kem.publicKey, secret<"LocalKeys">(random.bytes(64))),
)

const outerKey: OuterKey = secret<"OuterKey">(random.bytes(32))
const outerPlace = {
  deployment: "dep",
  tenant: hash(1),
  purpose: "record",
  chainId: hash(2),
  recordId: id(3),
  rev: 1,
} as const
const outer = encodeOuter(
  await sealOuter(p, random, { key: outerKey, dekId: id(9), place: outerPlace, plaintext: record }),
)

const setup = await makeOpaqueSetup()
const names = { account: "0f8fad5b-d9cb-469f-a165-70867728950e", deployment: "dep" }
const registration = await startOpaqueRegistration("a password of some length")
const login = await startOpaqueLogin("a password of some length")
const opaqueAnswer = await answerOpaqueLogin(setup, names, undefined, login.request)
if (!opaqueAnswer.ok) throw new Error("OPAQUE fixture")
const opaqueState = opaqueAnswer.value.state

const leaseKey = makeLeaseKey(random)
const question = blind(random, secret<"LeaseInput">(random.bytes(32)))
const evaluation = evaluate(random, leaseKey, question.blinded)
if (!evaluation.ok) throw new Error("lease fixture")
const elements = struct({
  blinded: [1, bytesOf(32)],
  evaluated: [2, bytesOf(32)],
  proof: [3, bytesOf(64)],
  pk: [4, bytesOf(32)],
})
const leaseInput = elements.encode({ blinded: question.blinded, ...evaluation.value, pk: leaseKey.publicKey })

const isGenuine = (input: Uint8Array, ...samples: readonly Uint8Array[]): boolean =>
  samples.some((sample) => equalBytes(sample, input))

export const targets: readonly FuzzTarget[] = [
  {
    name: "records",
    make: makeCbor([record, later]),
    run: async (input) => {
      const decoded = decodeRecord(input)
      if (!decoded.ok) return
      promise(equalBytes(encodeRecord(decoded.value), input), "a record has a second form")
      promise(ctHash(p, decoded.value).length === 32, "no hash")
      readRecordHeader(decoded.value)
      const opened = await openRecord(p, { key: vaultKey, ...place, record: decoded.value })
      promise(!opened.ok || isGenuine(input, record, later), "a changed record opened")
    },
  },
  {
    name: "wraps",
    make: makeCbor([wrap]),
    run: async (input) => {
      const decoded = decodeWrapEntry(input)
      if (!decoded.ok) return
      promise(equalBytes(encodeWrapEntry(decoded.value), input), "a wrap has a second form")
      wrapEntryHash(p, decoded.value)
      const opened = await openWrap(p, context, recipient, decoded.value)
      promise(!opened.ok || isGenuine(input, wrap), "a changed wrap opened")
    },
  },
  {
    name: "sealed-bytes",
    make: makeCbor([sealed, pad(utf8("padded"))]),
    run: async (input) => {
      const plain = unpad(input)
      if (plain.ok) promise(equalBytes(pad(plain.value), input), "padding has a second form")
      const decoded = sealedStruct.decode(input, 1 << 21)
      if (!decoded.ok) return
      sealedHash(p, decoded.value)
      const opened = await openSk(p, { epoch: 2, sym, sealed: decoded.value })
      promise(!opened.ok || isGenuine(input, sealed), "a changed seal opened")
    },
  },
  {
    name: "rescue-box",
    make: makeCbor([rescue]),
    run: async (input) => {
      const decoded = decodeRescue(input)
      if (!decoded.ok) return
      promise(equalBytes(encodeRescue(decoded.value), input), "a rescue box has a second form")
      const opened = await openRescue(p, rescuePlace, recipient.kem, decoded.value)
      promise(!opened.ok || isGenuine(input, rescue), "a changed rescue box opened")
    },
  },
  {
    name: "outer-rows",
    make: makeCbor([outer]),
    run: async (input) => {
      const decoded = decodeOuter(input)
      if (!decoded.ok) return
      promise(equalBytes(encodeOuter(decoded.value), input), "an outer row has a second form")
      const opened = await openOuter(p, { key: outerKey, place: outerPlace, record: decoded.value })
      promise(!opened.ok || isGenuine(input, outer), "a changed outer row opened")
    },
  },
  {
    name: "opaque-answers",
    make: makeBytes([registration.request, login.request, opaqueAnswer.value.response, random.bytes(64)]),
    run: async (input) => {
      await answerOpaqueRegistration(setup, names.account, input)
      const answered = await answerOpaqueLogin(setup, names, undefined, input)
      if (answered.ok)
        promise(answered.value.response.length === opaqueAnswer.value.response.length, "answers of two lengths")
      await answerOpaqueLogin(setup, names, input, login.request)
      const finished = await finishOpaqueLogin(opaqueState, names, input)
      promise(!finished.ok, "a login that nobody finished was finished")
    },
  },
  {
    name: "lease-elements",
    make: makeCbor([leaseInput]),
    run: (input) => {
      const decoded = elements.decode(input, 4096)
      const { blinded, evaluated, proof, pk } = decoded.ok
        ? decoded.value
        : { blinded: input, evaluated: input, proof: input, pk: leaseKey.publicKey }
      evaluate(random, leaseKey, blinded)
      const y = finalize(question, pk, { evaluated, proof })
      promise(
        !y.ok || isGenuine(input, leaseInput) || equalBytes(pk, leaseKey.publicKey),
        "a proof under another key held",
      )
      if (y.ok) promise(equalBytes(evaluated, evaluation.value.evaluated), "another evaluation was believed")
    },
  },
]
