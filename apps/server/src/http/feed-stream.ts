import { bytesToBase64url, equalBytes } from "@keyferry/base"
import { syncReplyStruct } from "@keyferry/protocol"
import type { Executed } from "@keyferry/strongroom-api"
import type { FastifyReply } from "fastify"

import type { Feed } from "../feed/feed.ts"

const HEARTBEAT_MS = 20_000
const RETRY_MS = 2_000
/** A listener that does not read is dropped before it fills memory; it then reads what it missed in one request. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024

/**
 * Opens the stream of one device (server-sent events). It listens before the strongroom answers and holds what comes
 * meanwhile, so that no commit falls between the answer and the stream.
 * First event: the ordinary answer of a sync. Every later one: a commit, with the change itself.
 */
export const openFeedStream = async (
  feed: Feed,
  reply: FastifyReply,
  deviceId: Uint8Array,
  execute: () => Promise<Executed>,
): Promise<Executed | undefined> => {
  const held: { commit: number; event: Uint8Array }[] = []
  // Empty until the stream is open; the listener must exist before that.
  const stream: {
    write?: (commit: number, event: Uint8Array) => boolean
    end?: (why: string) => void
  } = {}
  let ended: string | undefined
  const listener = {
    send: (commit: number, event: Uint8Array) => {
      if (stream.write !== undefined) return stream.write(commit, event)
      held.push({ commit, event })
      return held.length < 10_000
    },
    end: (why: string) => {
      ended = why
      stream.end?.(why)
    },
  }
  const subscription = feed.open(deviceId, listener)
  const executed = await execute().catch((error: unknown) => {
    subscription.close()
    throw error
  })
  const proven = executed.deviceId !== undefined && equalBytes(executed.deviceId, deviceId)
  if (executed.code !== undefined || !proven || ended !== undefined) {
    subscription.close()
    return proven || executed.code !== undefined ? { ...executed, ...closedBy(ended) } : undefined
  }
  const first = syncReplyStruct.decode(executed.body, executed.body.length)
  const commit = first.ok ? first.value.commit : 0

  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    connection: "keep-alive",
  })
  const heartbeat = setInterval(() => raw.write(": still here\n\n"), HEARTBEAT_MS)
  const finish = (why: string): void => {
    clearInterval(heartbeat)
    subscription.close()
    if (!raw.writableEnded) raw.end(`event: ${why}\n\n`)
  }
  raw.once("close", () => {
    clearInterval(heartbeat)
    subscription.close()
  })
  raw.write(`retry: ${RETRY_MS}\n\nid: ${commit}\nevent: sync\ndata: ${bytesToBase64url(executed.body)}\n\n`)
  stream.end = finish
  stream.write = (n, event) => {
    if (raw.writableLength > MAX_WAITING_BYTES) return false
    raw.write(`id: ${n}\nevent: change\ndata: ${bytesToBase64url(event)}\n\n`)
    return true
  }
  for (const waiting of held) if (waiting.commit > commit) stream.write(waiting.commit, waiting.event)
  return undefined
}

const closedBy = (why: string | undefined): Partial<Executed> =>
  why === undefined ? {} : { status: 401, code: "device-removed", body: new Uint8Array() }
