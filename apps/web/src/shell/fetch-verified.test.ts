import { createHash } from "node:crypto"

import { expect, test } from "vitest"

import { fetchVerified } from "./fetch-verified.ts"

const TEXT = "export const a = 1\n"
const SHA = createHash("sha256").update(TEXT).digest("hex")
const answering =
  (text: string, status = 200) =>
  async () =>
    new Response(text, { status })

test("the shell takes a file that is the one it was built with, and gives it on unread", async () => {
  const response = await fetchVerified("/assets/a.js", SHA, answering(TEXT))
  expect(await response.text()).toBe(TEXT)
})

test("one changed byte, a missing file and no answer are refused", async () => {
  for (const get of [
    answering("export const a = 2\n"),
    answering(TEXT, 404),
    () => Promise.reject(new Error("offline")),
  ])
    await expect(fetchVerified("/assets/a.js", SHA, get)).rejects.toThrow()
})
