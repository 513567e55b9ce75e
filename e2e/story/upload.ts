import { randomBytes } from "node:crypto"

import type { Result } from "@keyferry/base"
import { type Failure, PUSH_ACCEPTED, syncReplyStruct, syncRequestStruct } from "@keyferry/protocol"
import { createNodeHttp, openNodeKeyferry } from "@keyferry/sdk/node"

/*
 * An upload by hand: a program that has the device's disk and password and is not stopped by what our client refuses. It
 * tells itself that the device is active and that everything before was accepted, and sends the real thing, signed with
 * the device's own keys.
 */

export type Http = ReturnType<typeof createNodeHttp>
type HttpRequest = Parameters<Http["send"]>[0]
type HttpReply = Awaited<ReturnType<Http["send"]>>

export interface UploadAnswer {
  /** What was sent: links and records of how many vaults. */
  readonly vaults: number
  readonly records: number
  readonly status: number
  readonly code: string | undefined
}

/** Gives the answers to a new vault and to an item in it, each sent as if the one before had been taken. */
export const uploadByHand = async (
  disk: string,
  password: string,
  send: (request: HttpRequest) => Promise<HttpReply>,
): Promise<readonly UploadAnswer[]> => {
  const answers: UploadAnswer[] = []
  const lying: Http = {
    stream: createNodeHttp().stream,
    send: async (request) => {
      const path = new URL(request.url).pathname
      if (path === "/api/v1/account") return pretendActive(await send(request))
      if (path !== "/api/v1/sync") return send(request)
      const sent = syncRequestStruct.decode(request.body ?? new Uint8Array(), 8 * 1024 * 1024)
      if (!sent.ok) throw new Error("our own request cannot be read")
      const { pushes } = sent.value
      if (pushes.length > 0) {
        const reply = await send(request)
        answers.push({
          vaults: pushes.length,
          records: pushes.reduce((sum, push) => sum + push.records.length, 0),
          status: reply?.status ?? 0,
          code: codeOf(reply),
        })
      }
      return pretendAccepted(pushes.map((push) => push.vaultId))
    },
  }
  const opened = await openNodeKeyferry({ folder: disk, http: lying })
  const keyferry = must(opened)
  try {
    must(await keyferry.unlock(password))
    must(await keyferry.syncOn({ items: "all", autoNew: false }))
    return answers
  } finally {
    await keyferry.close()
  }
}

const must = <T>(result: Result<T, Failure>): T => {
  if (result.ok) return result.value
  throw new Error(`${result.error.code}: ${result.error.detail ?? ""}`)
}

const pretendActive = (reply: HttpReply): HttpReply => {
  if (reply === undefined || reply.status !== 200) return reply
  const said = JSON.parse(Buffer.from(reply.body).toString("utf8")) as Record<string, unknown>
  return { ...reply, body: Buffer.from(JSON.stringify({ ...said, state: "active" })) }
}

const pretendAccepted = (vaultIds: readonly Uint8Array[]): HttpReply => ({
  status: 200,
  contentType: "application/cbor",
  body: syncReplyStruct.encode({
    logId: new Uint8Array(randomBytes(16)),
    commit: 1,
    accountLinks: [],
    results: vaultIds.map((vaultId) => ({ vaultId, outcome: PUSH_ACCEPTED, head: [1, new Uint8Array(32)] })),
    vaults: [],
    heads: [],
  }),
})

const codeOf = (reply: HttpReply): string | undefined => {
  try {
    const { code } = JSON.parse(Buffer.from(reply?.body ?? []).toString("utf8")) as { code?: unknown }
    return typeof code === "string" ? code : undefined
  } catch {
    // An answer that is no problem: it was taken.
    return undefined
  }
}
