import type { ServerResponse } from "node:http"

import { bytesToBase64url, equalBytes } from "@keyferry/base"
import { syncReplyStruct } from "@keyferry/protocol"
import type { Executed } from "@keyferry/strongroom-api"
import type { FastifyReply } from "fastify"

import type { Feed, FeedListener } from "../feed/feed.ts"

const HEARTBEAT_MS = 20_000
const RETRY_MS = 2_000
/** A listener that does not read is dropped before it fills memory; it then reads what it missed in one request. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024

/** What comes while the stream is not open yet is held; the listener must exist before the strongroom is asked. */
interface Held {
  readonly waiting: { readonly commit: number; readonly event: Uint8Array }[]
  stream: Stream | undefined
  ended: string | undefined
}
interface Stream {
  readonly write: (commit: number, event: Uint8Array) => boolean
  readonly end: (why: string) => void
}

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
  const held: Held = { waiting: [], stream: undefined, ended: undefined }
  const subscription = feed.open(deviceId, listenerOf(held))
  const executed = await execute().catch((error: unknown) => {
    subscription.close()
    throw error
  })
  const proven = executed.deviceId !== undefined && equalBytes(executed.deviceId, deviceId)
  if (executed.code !== undefined || !proven || held.ended !== undefined) {
    subscription.close()
    return proven || executed.code !== undefined ? { ...executed, ...closedBy(held.ended) } : undefined
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
  raw.write(`retry: ${RETRY_MS}\n\nid: ${commit}\nevent: sync\ndata: ${bytesToBase64url(executed.body)}\n\n`)
  const stream = streamOver(raw, subscription.close)
  held.stream = stream
  for (const waiting of held.waiting.splice(0)) if (waiting.commit > commit) stream.write(waiting.commit, waiting.event)
  return undefined
}

/*
 * Thousands of streams stand open and idle. What lives as long as one is made in functions of its own, so that it keeps
 * nothing of the request and the answer that opened it.
 */
const listenerOf = (held: Held): FeedListener => ({
  send: (commit, event) => {
    if (held.stream !== undefined) return held.stream.write(commit, event)
    held.waiting.push({ commit, event })
    return held.waiting.length < 10_000
  },
  end: (why) => {
    held.ended = why
    held.stream?.end(why)
  },
})

const streamOver = (raw: ServerResponse, closeSubscription: () => void): Stream => {
  beat(raw)
  const close = (): void => {
    open.delete(raw)
    closeSubscription()
  }
  raw.once("close", close)
  return {
    end: (why) => {
      close()
      if (!raw.writableEnded) raw.end(`event: ${why}\n\n`)
    },
    write: (commit, event) => {
      if (raw.writableLength > MAX_WAITING_BYTES) return false
      raw.write(`id: ${commit}\nevent: change\ndata: ${textOf(event)}\n\n`)
      return true
    },
  }
}

/** One timer for all streams of this process, which runs while there are any. */
const open = new Set<ServerResponse>()
let heart: NodeJS.Timeout | undefined
const beat = (raw: ServerResponse): void => {
  open.add(raw)
  // The connections keep a process running, not this.
  heart ??= setInterval(() => {
    last = undefined
    for (const one of open) one.write(": still here\n\n")
    if (open.size > 0) return
    clearInterval(heart)
    heart = undefined
  }, HEARTBEAT_MS).unref()
}

/** An event goes to many streams, one after another, and is the same text for each. */
let last: { readonly event: Uint8Array; readonly text: string } | undefined
const textOf = (event: Uint8Array): string => {
  if (last?.event !== event) last = { event, text: bytesToBase64url(event) }
  return last.text
}

const closedBy = (why: string | undefined): Partial<Executed> =>
  why === undefined ? {} : { status: 401, code: "device-removed", body: new Uint8Array() }
