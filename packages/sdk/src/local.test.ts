import { mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { describe, expect, test } from "vitest"

import { openNodeKeyferry } from "./node/index.ts"

const PASSWORD = "correct horse battery"
const folder = () => mkdtempSync(join(tmpdir(), "kf-sdk-"))
const open = async (dir: string) => {
  const kf = await openNodeKeyferry({ folder: dir })
  if (!kf.ok) throw new Error(kf.error.code)
  return kf.value
}

describe("a device without an account", () => {
  test("keeps items sealed, finds them again after a restart, and needs no server", async () => {
    const dir = folder()
    const kf = await open(dir)
    expect((await kf.add({ kind: "note", title: "x", fields: [] })).ok).toBe(false)
    expect(await kf.createLocal("short")).toMatchObject({ ok: false, error: { code: "password-too-weak" } })
    expect((await kf.createLocal(PASSWORD)).ok).toBe(true)
    const added = await kf.add({
      kind: "login",
      title: "Shop CANARYTITLE",
      fields: [
        { name: "username", value: "ada", secret: false },
        { name: "password", value: "CANARYSECRET1", secret: true },
      ],
    })
    if (!added.ok) throw new Error(JSON.stringify(added.error))
    expect(added.value).toMatchObject({ policy: "local-only", custody: "local", class: "standard" })
    const edited = await kf.edit(added.value.id, { fields: [{ name: "password", value: "CANARYSECRET2" }] })
    expect(edited.ok).toBe(true)
    await kf.close()

    for (const name of readdirSync(dir)) expect(readFileSync(join(dir, name)).includes("CANARY")).toBe(false)

    const again = await open(dir)
    expect((await again.status()).lock).toBe("locked")
    expect(await again.list()).toMatchObject({ ok: false, error: { code: "locked" } })
    expect(await again.unlock("wrong password!")).toMatchObject({ ok: false, error: { code: "wrong-password" } })
    expect((await again.unlock(PASSWORD)).ok).toBe(true)
    const view = await again.get(added.value.id)
    expect(view.ok && view.value.fields.find((f) => f.name === "password")?.value).toBe("CANARYSECRET2")
    const history = await again.history(added.value.id)
    expect(history.ok && history.value[0]?.fields.find((f) => f.name === "password")?.value).toBe("CANARYSECRET1")
    expect((await again.remove(added.value.id)).ok).toBe(true)
    expect(await again.list()).toEqual({ ok: true, value: [] })
    expect((await again.restore(added.value.id)).ok).toBe(true)
    const list = await again.list()
    expect(list.ok && list.value.length).toBe(1)
    await again.close()
  })

  test("an unsaved draft is sealed like the item it belongs to, and is there after a restart until it is forgotten", async () => {
    const dir = folder()
    const kf = await open(dir)
    await kf.createLocal(PASSWORD)
    const added = await kf.add({
      kind: "login",
      title: "Shop",
      fields: [{ name: "username", value: "a", secret: false }],
    })
    if (!added.ok) throw new Error(added.error.code)
    const typed = { title: "CANARYDRAFT", values: { password: "CANARYTYPED", username: null } }
    const fresh = { tags: "CANARYTAG", values: { secret: "CANARYFRESH" } }
    expect((await kf.keepDraft(added.value.id, typed)).ok).toBe(true)
    expect((await kf.keepDraft("new:exchange-key", fresh)).ok).toBe(true)
    expect(await kf.keepDraft("new:nothing-known", fresh)).toMatchObject({ ok: false, error: { code: "not-found" } })
    expect(await kf.keepDraft("new:note", { values: { text: "x".repeat(300_000) } })).toMatchObject({
      ok: false,
      error: { code: "too-large" },
    })
    expect((await kf.keepDraft("new:note", { values: { text: "\ud800" } })).ok).toBe(false)
    await kf.close()
    for (const name of readdirSync(dir)) expect(readFileSync(join(dir, name)).includes("CANARY")).toBe(false)

    const again = await open(dir)
    expect(await again.draft(added.value.id)).toMatchObject({ ok: false, error: { code: "locked" } })
    expect((await again.unlock(PASSWORD)).ok).toBe(true)
    expect(await again.draft(added.value.id)).toEqual({ ok: true, value: typed })
    expect(await again.draft("new:exchange-key")).toEqual({ ok: true, value: fresh })
    expect(await again.draft("new:note")).toEqual({ ok: true, value: undefined })
    // Where the item becomes strict, its draft follows and is not left behind.
    expect((await again.setClass([added.value.id], "strict")).ok).toBe(true)
    expect(await again.draft(added.value.id)).toEqual({ ok: true, value: typed })
    await again.keepDraft(added.value.id, typed)
    await again.keepDraft(added.value.id, null)
    expect(await again.draft(added.value.id)).toEqual({ ok: true, value: undefined })
    expect(await again.draft("new:exchange-key")).toEqual({ ok: true, value: fresh })
    await again.close()
  })

  test("another password for this device; the old one opens nothing any more", async () => {
    const kf = await open(folder())
    await kf.createLocal(PASSWORD)
    await kf.add({ kind: "note", title: "One", fields: [{ name: "text", value: "hello", secret: true }] })
    expect(
      await kf.changeDevicePassword({ password: "not the password", newPassword: "a newer password" }),
    ).toMatchObject({ ok: false, error: { code: "wrong-password" } })
    expect((await kf.changeDevicePassword({ password: PASSWORD, newPassword: "a newer password" })).ok).toBe(true)
    await kf.lock()
    expect(await kf.unlock(PASSWORD)).toMatchObject({ ok: false, error: { code: "wrong-password" } })
    expect((await kf.unlock("a newer password")).ok).toBe(true)
    const list = await kf.list()
    expect((await kf.setClass(list.ok ? list.value.map((i) => i.id) : [], "strict")).ok).toBe(true)
    await kf.close()
  })

  test("a sign-up beside what is here takes no other password than the one that opens it", async () => {
    const kf = await open(folder())
    await kf.createLocal(PASSWORD)
    const signUp = (password: string) =>
      kf.signUp({ link: "http://127.0.0.1:9/setup#t=x", address: "ada@example.org", password, deviceName: "laptop" })
    expect(await signUp(`${PASSWORD}.`)).toMatchObject({ error: { code: "wrong-password" } })
    expect(await signUp(PASSWORD)).toMatchObject({ error: { code: "network-unreachable" } })
    await kf.close()
  })

  test("an archive opens again in another store, and importing twice adds nothing", async () => {
    const a = await open(folder())
    await a.createLocal(PASSWORD)
    await a.add({ kind: "note", title: "One", fields: [{ name: "text", value: "hello", secret: true }] })
    const bytes = await a.exportArchive({ passphrase: "archive passphrase" })
    if (!bytes.ok) throw new Error(JSON.stringify(bytes.error))
    const b = await open(folder())
    await b.createLocal(PASSWORD)
    expect(await b.importArchive(bytes.value, { passphrase: "not it" }, "skip")).toMatchObject({
      ok: false,
      error: { code: "wrong-encryption-password" },
    })
    expect(await b.importArchive(bytes.value.slice(0, -9), { passphrase: "archive passphrase" }, "skip")).toMatchObject(
      { ok: false, error: { code: "import-failed" } },
    )
    expect(await b.importArchive(bytes.value, { passphrase: "archive passphrase" }, "skip")).toMatchObject({
      ok: true,
      value: { added: 1, skipped: 0, different: [] },
    })
    expect(await b.importArchive(bytes.value, { passphrase: "archive passphrase" }, "skip")).toMatchObject({
      ok: true,
      value: { added: 0, skipped: 1, different: [] },
    })
    // What changed here since is named: an archive does not undo it, and nobody takes it for the same.
    const here = await b.list()
    const id = here.ok ? (here.value[0]?.id ?? "") : ""
    await b.edit(id, { fields: [{ name: "text", value: "changed since" }] })
    expect(await b.importArchive(bytes.value, { passphrase: "archive passphrase" }, "skip")).toMatchObject({
      ok: true,
      value: { added: 0, skipped: 1, different: [`One (${id})`], refused: [] },
    })
    expect(await b.get(id)).toMatchObject({ value: { fields: [{ value: "changed since" }] } })
    await a.close()
    await b.close()
  })
})
