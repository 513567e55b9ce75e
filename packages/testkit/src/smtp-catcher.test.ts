import { createTransport } from "nodemailer"
import { expect, test } from "vitest"
import { linksIn, startSmtpCatcher } from "./smtp-catcher.ts"

test("a mail is caught with its parts and its links", async () => {
  await using catcher = await startSmtpCatcher()
  const waiting = catcher.waitForMail((mail) => mail.to.includes("ada@example.org"))
  await createTransport(catcher.url).sendMail({
    from: "Keyferry <keys@example.org>",
    to: "ada@example.org",
    subject: "Confirm “laptop” – ü",
    text: "Open http://localhost:8080/confirm#t=abc. It works for ten minutes.",
    html: '<a href="http://localhost:8080/confirm#t=abc">open</a> <a href="http://localhost:8080/help?a=1&amp;b=2">help</a>',
  })
  const mail = await waiting
  expect(mail).toMatchObject({ from: "keys@example.org", subject: "Confirm “laptop” – ü" })
  expect(mail.links).toEqual(["http://localhost:8080/confirm#t=abc", "http://localhost:8080/help?a=1&b=2"])
  expect(Buffer.from(mail.raw).toString()).toContain("Subject:")
  expect(catcher.mails()).toHaveLength(1)
})

test("a refused mail is not kept, and the sender hears that it is to come again", async () => {
  await using catcher = await startSmtpCatcher()
  catcher.refuseNext(1)
  const send = () => createTransport(catcher.url).sendMail({ from: "a@example.org", to: "b@example.org", text: "x" })
  await expect(send()).rejects.toMatchObject({ responseCode: 451 })
  expect(catcher.mails()).toEqual([])
  await send()
  expect(catcher.mails()).toHaveLength(1)
})

test("waiting in vain names what did come", async () => {
  await using catcher = await startSmtpCatcher()
  await createTransport(catcher.url).sendMail({
    from: "a@example.org",
    to: "b@example.org",
    subject: "Other",
    text: "x",
  })
  await expect(catcher.waitForMail(() => false, 50)).rejects.toThrow("b@example.org: Other")
})

test("links end where the sentence goes on", () => {
  expect(linksIn("see (https://example.org/a), or <https://example.org/b>.")).toEqual([
    "https://example.org/a",
    "https://example.org/b",
  ])
})
