import { pino } from "pino"
import PostalMime from "postal-mime"
import { SMTPServer } from "smtp-server"
import { describe, expect, test } from "vitest"

import type { ServerStore } from "../store/tables.ts"
import { createCountingRandom, openTestStore } from "../testing/world.ts"
import { createMailQueue, type MailQueue } from "./queue.ts"
import { NOTICES, securityNotice } from "./templates/security-notice.ts"
import { verifyDevice } from "./templates/verify-device.ts"
import { createSmtpTransport, type MailTransport, noTransport, type OutgoingMail } from "./transport.ts"

const fields = { link: "http://localhost/v/#secret-token", platform: "Zoë’s laptop", minutes: "10" }

const setUp = async (transport: MailTransport) => {
  const store = await openTestStore()
  const time = { nowMs: 1_000_000 }
  let logged = ""
  const log = pino({ level: "debug" }, { write: (line: string) => void (logged += line) })
  const queue = createMailQueue({
    store,
    transport,
    clock: { nowMs: () => time.nowMs },
    random: createCountingRandom(),
    log,
  })
  const add = (to = "ada@example.org") =>
    store.transaction((tx) => queue.add(tx, { template: verifyDevice, to, accountUuid: "u", fields }))
  const rows = () =>
    store.read((db) => db.selectFrom("mail").select(["state", "tries", "fields"]).orderBy("id").execute())
  return { store, time, queue, add, rows, logged: () => logged }
}
const settle = async (queue: MailQueue, done: () => Promise<boolean>): Promise<void> => {
  queue.wake()
  const end = performance.now() + 30_000
  while (!(await done())) {
    if (performance.now() > end) throw new Error("the queue did not get there")
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
const close = async (queue: MailQueue, store: ServerStore): Promise<void> => {
  await queue.stop()
  await store.close()
}

describe("the mail queue", () => {
  test("tries again later and later, gives up after the ninth, and never logs the address or the link", async () => {
    const attempts: number[] = []
    const { store, time, queue, add, rows, logged } = await setUp({
      mode: "smtp",
      send: async () => {
        attempts.push(time.nowMs)
        throw Object.assign(new Error("550 ada@example.org unknown"), { code: "EENVELOPE" })
      },
      close: () => undefined,
    })
    await add()
    for (let i = 1; i <= 12; i++) {
      await settle(queue, async () => attempts.length >= Math.min(i, 9))
      time.nowMs += 9 * 3_600_000
    }
    await settle(queue, async () => (await rows())[0]?.state === "failed")
    expect(attempts).toHaveLength(9)
    expect((await rows())[0]).toMatchObject({ tries: 9, fields: "{}" })
    expect(logged()).toContain("EENVELOPE")
    expect(logged()).not.toMatch(/ada@|secret-token/)
    await close(queue, store)
  })

  test("one refused mail does not hold up the others", async () => {
    const sent: string[] = []
    const { store, queue, add, rows } = await setUp({
      mode: "smtp",
      send: async ({ to }: OutgoingMail) => {
        if (to.startsWith("bad")) throw new Error("no")
        sent.push(to)
      },
      close: () => undefined,
    })
    for (const to of ["bad@x.org", "a@x.org", "b@x.org"]) await add(to)
    await settle(queue, async () => sent.length === 2)
    await settle(queue, async () => (await rows()).filter((r) => r.state === "sent").length === 2)
    expect((await rows()).map((r) => r.state).toSorted()).toEqual(["sent", "sent", "waiting"])
    await close(queue, store)
  })

  test("a mail of a rolled back transaction does not exist", async () => {
    const { store, queue, rows } = await setUp({ mode: "smtp", send: async () => undefined, close: () => undefined })
    await expect(
      store.transaction(async (tx) => {
        await queue.add(tx, { template: verifyDevice, to: "a@x.org", accountUuid: null, fields })
        throw new RangeError("stop")
      }),
    ).rejects.toThrow(RangeError)
    expect(await rows()).toEqual([])
    await close(queue, store)
  })

  test("with mail off nothing is queued", async () => {
    const { store, queue, add, rows } = await setUp(noTransport)
    await add()
    expect(await rows()).toEqual([])
    await close(queue, store)
  })

  test("SMTP carries names and text in any script", async () => {
    const received: { from: string; to: string[]; raw: string }[] = []
    const smtp = new SMTPServer({
      disabledCommands: ["AUTH", "STARTTLS"],
      onData: (stream, session, done) => {
        let raw = ""
        stream.on("data", (chunk: Buffer) => (raw += chunk.toString()))
        stream.on("end", () => {
          const from = session.envelope.mailFrom
          received.push({
            from: from === false ? "" : from.address,
            to: session.envelope.rcptTo.map((r) => r.address),
            raw,
          })
          done()
        })
      },
    })
    await new Promise<void>((resolve) => smtp.listen(0, "127.0.0.1", () => resolve()))
    const address = smtp.server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const { store, queue, add, rows } = await setUp(
      createSmtpTransport(`smtp://127.0.0.1:${port}`, "Keyferry <kf@example.org>"),
    )
    await add()
    await settle(queue, async () => (await rows())[0]?.state === "sent")
    const [mail] = received
    expect(mail).toMatchObject({ from: "kf@example.org", to: ["ada@example.org"] })
    const parsed = await PostalMime.parse(mail?.raw ?? "")
    expect(parsed.text).toContain("Zoë’s laptop")
    expect(parsed.text).toContain(fields.link)
    expect(parsed.subject).toBe("A new device waits for your confirmation")
    await close(queue, store)
    await new Promise<void>((resolve) => smtp.close(() => resolve()))
  })
})

test("every notice has its own sentence and says what to do", () => {
  for (const kind of Object.keys(NOTICES) as (keyof typeof NOTICES)[]) {
    const freeze = "http://localhost/freeze/#token"
    const letter = securityNotice.write({ kind, at: "2027-01-01T00:00:00.000Z", origin: "http://localhost", freeze })
    expect(letter.body).toContain(NOTICES[kind])
    expect(letter.body).toContain(freeze)
    expect(letter.subject).toMatch(/^Security notice: /)
  }
})
