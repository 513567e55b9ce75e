import { createServer, connect } from "node:net"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { afterEach, beforeEach, expect, test } from "vitest"

import { err, ok } from "@keyferry/base"
import { failure } from "@keyferry/sdk/errors"
import { generateSshKey } from "@keyferry/ssh-agent"

import type { ItemView, Keyferry } from "../keyferry.ts"
import { fakeItem, fakeKeyferry, fakeView } from "../test/fake-keyferry.ts"
import { createSshView, offersOf, type SshView } from "./ssh-view.ts"

const KEY = generateSshKey("ed25519", "ada@laptop")
const HOST_KEY = generateSshKey("ed25519", "").publicKey

const sshKey = (over: Partial<ItemView> = {}): ItemView =>
  fakeView({
    id: "itm_key",
    kind: "ssh-key",
    title: "deploy",
    fields: [{ name: "private-key", value: KEY.privateKey, secret: true }],
    ...over,
  })

const host = (credential: string): ItemView =>
  fakeView({
    id: "itm_host",
    kind: "host",
    fields: [
      { name: "credential", value: credential, secret: false },
      { name: "host-keys", value: `bastion ${HOST_KEY}\n# not a key\n`, secret: false },
    ],
  })

test("a key carries the hosts that refer to it, directly or through an identity", () => {
  const identity = fakeView({
    id: "itm_identity",
    kind: "identity",
    fields: [{ name: "key", value: "itm_key", secret: false }],
  })
  expect(offersOf([sshKey()])[0]?.key.hostKeys).toHaveLength(0)
  expect(offersOf([sshKey(), host("itm_key")])[0]?.key.hostKeys).toHaveLength(1)
  expect(offersOf([sshKey(), host("itm_identity"), identity])[0]?.key.hostKeys).toHaveLength(1)
  expect(offersOf([sshKey(), host("itm_other")])[0]?.key.hostKeys).toHaveLength(0)
})

test("a key that cannot be read is left out, the others are offered", () => {
  const broken = sshKey({
    id: "itm_broken",
    fields: [
      { name: "private-key", value: "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", secret: true },
    ],
  })
  expect(offersOf([broken, sshKey()]).map((offer) => offer.itemId)).toEqual(["itm_key"])
})

let folder = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kf-ssh-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** How many keys an SSH program is offered: the count in the answer to message 11. */
const offered = async (view: SshView): Promise<number> => {
  const path = join(folder, "ssh.sock")
  const server = createServer((socket) => view.serve(socket))
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const answer = await new Promise<Buffer>((resolve) => {
    const socket = connect(path, () => socket.write(Buffer.from([0, 0, 0, 1, 11])))
    socket.once("data", (chunk: Buffer) => {
      socket.destroy()
      resolve(chunk)
    })
  })
  await new Promise((resolve) => server.close(resolve))
  expect(answer[4]).toBe(12)
  return answer.readUInt32BE(5)
}

test("SSH programs are offered the keys of the open vault, and none once it is locked", async () => {
  let locked = false
  const keyferry: Partial<Keyferry> = {
    list: async () => (locked ? err(failure("locked")) : ok([fakeItem({ id: "itm_key", kind: "ssh-key" })])),
    get: async () => ok(sshKey()),
  }
  const view = createSshView({ keyferry: fakeKeyferry(keyferry), note: () => undefined, log: () => undefined })
  expect(await offered(view)).toBe(0)
  await view.refresh()
  expect(await offered(view)).toBe(1)
  locked = true
  await view.refresh()
  expect(await offered(view)).toBe(0)
})

test("a defect while the keys are read offers none and is logged without its message", async () => {
  const logged: string[] = []
  const view = createSshView({
    keyferry: fakeKeyferry({
      list: async () => {
        throw new Error("secret-in-a-message")
      },
    }),
    note: () => undefined,
    log: (line) => logged.push(line),
  })
  await view.refresh()
  expect(view.size()).toBe(0)
  expect(logged.join()).toContain("Error")
  expect(logged.join()).not.toContain("secret-in-a-message")
})
