import { request as httpRequest } from "node:http"

import { base64urlToBytes, utf8 } from "@keyferry/base"
import { routes, syncReplyStruct, syncRequestStruct } from "@keyferry/protocol"
import type { CommitNotice } from "@keyferry/strongroom-api"
import { afterEach, beforeEach, describe, expect, test } from "vitest"

import { createFeed } from "../feed/feed.ts"
import { createWorld, deviceId, signedBy, signUp, type World } from "../testing/world.ts"

const notice = (commit: number, devices: readonly number[], closed: readonly number[] = []): CommitNotice => ({
  commit,
  accountUuid: "u",
  audience: devices.map((n) => new Uint8Array(16).fill(n)),
  event: utf8(`change ${commit}`),
  closed: closed.map((n) => new Uint8Array(16).fill(n)),
  eventsTo: 0,
})

describe("the feed", () => {
  const listen = (feed: ReturnType<typeof createFeed>, device: number, takes = Number.POSITIVE_INFINITY) => {
    const heard: (number | string)[] = []
    const subscription = feed.open(new Uint8Array(16).fill(device), {
      send: (commit) => heard.push(commit) <= takes,
      end: (why) => void heard.push(why),
    })
    return { heard, subscription }
  }

  test("gives a commit to its audience only, in order", () => {
    const feed = createFeed()
    const one = listen(feed, 1)
    const two = listen(feed, 2)
    feed.publish(notice(1, [1, 2]))
    feed.publish(notice(2, [2]))
    feed.publish(notice(3, [1]))
    expect([one.heard, two.heard]).toEqual([
      [1, 3],
      [1, 2],
    ])
  })

  test("ends the streams of a removed device before any later commit", () => {
    const feed = createFeed()
    const one = listen(feed, 1)
    const two = listen(feed, 2)
    feed.publish(notice(1, [1, 2], [2]))
    feed.publish(notice(2, [1, 2]))
    expect(two.heard).toEqual([1, "closed"])
    expect(one.heard).toEqual([1, 2])
    expect(feed.count()).toBe(1)
  })

  test("drops a listener that does not keep up, and the fifth stream of one device", () => {
    const feed = createFeed()
    const slow = listen(feed, 1, 1)
    feed.publish(notice(1, [1]))
    feed.publish(notice(2, [1]))
    feed.publish(notice(3, [1]))
    expect(slow.heard).toEqual([1, 2, "behind"])
    const streams = Array.from({ length: 5 }, () => listen(feed, 2))
    expect(streams.map((s) => s.heard)).toEqual([["behind"], [], [], [], []])
    streams[4]?.subscription.close()
    expect(feed.count()).toBe(3)
  })
})

describe("the stream over HTTP", () => {
  let world: World
  let port = 0
  beforeEach(async () => {
    world = await createWorld()
    await signUp(world, "ada@example.org", 1)
    const device = world.fake.devices.get("01".repeat(16))
    if (device !== undefined) device.state = "active"
    await world.app.listen({ host: "127.0.0.1", port: 0 })
    const address = world.app.server.address()
    port = typeof address === "object" && address !== null ? address.port : 0
  })
  afterEach(() => world.close())

  const open = (device = 1) => {
    const body = syncRequestStruct.encode({ account: [0, new Uint8Array(32)], cursors: [], pushes: [], maxBytes: 0 })
    let text = ""
    let status = 0
    let ended = false
    const headers = { ...signedBy(deviceId(device), true), "content-type": "application/cbor" }
    const request = httpRequest(
      { port, host: "127.0.0.1", method: "POST", path: routes.feed.path, headers },
      (response) => {
        status = response.statusCode ?? 0
        response.on("data", (chunk: Buffer) => (text += chunk.toString()))
        response.on("end", () => (ended = true))
      },
    )
    request.on("error", () => (ended = true))
    request.end(Buffer.from(body))
    const until = async (done: () => boolean): Promise<void> => {
      const end = performance.now() + 30_000
      while (!done()) {
        if (performance.now() > end) throw new Error(`not seen: ${status} ${text}`)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    const events = () =>
      text
        .split("\n\n")
        .filter((block) => block.includes("data: "))
        .map((block) => ({
          event: /event: (\w+)/.exec(block)?.[1],
          bytes: base64urlToBytes(/data: (\S*)/.exec(block)?.[1] ?? "") ?? new Uint8Array(),
        }))
    return { until, events, text: () => text, status: () => status, ended: () => ended, close: () => request.destroy() }
  }

  test("begins with the answer of a sync and goes on with the changes themselves", async () => {
    const stream = open()
    await stream.until(() => stream.events().length === 1)
    world.context.feed.publish(notice(40, [1]))
    world.context.feed.publish(notice(41, [2]))
    world.context.feed.publish(notice(42, [1]))
    await stream.until(() => stream.events().length === 3)
    const [first, ...changes] = stream.events()
    expect(first?.event).toBe("sync")
    expect(syncReplyStruct.decode(first?.bytes ?? new Uint8Array(), 1000).ok).toBe(true)
    expect(changes.map((c) => new TextDecoder().decode(c.bytes))).toEqual(["change 40", "change 42"])
    expect(stream.text()).toContain("id: 42\n")
    stream.close()
    await stream.until(() => world.context.feed.count() === 0)
  })

  test("a commit between the strongroom's answer and the stream is not lost, and one before it not repeated", async () => {
    const execute = world.context.strongroom.call
    const spied = world.context.strongroom as { call: typeof execute }
    spied.call = (async (name: "execute", params: never) => {
      const answer = await execute(name, params)
      if (name === "execute") {
        world.context.feed.publish(notice(1, [1]))
        world.context.feed.publish(notice(90, [1]))
      }
      return answer
    }) as typeof execute
    const stream = open()
    await stream.until(() => stream.events().length === 2)
    expect(new TextDecoder().decode(stream.events()[1]?.bytes)).toBe("change 90")
    stream.close()
  })

  test("a removed device hears that it is over; a strange one gets no stream", async () => {
    const stream = open()
    await stream.until(() => stream.events().length === 1)
    world.context.feed.publish(notice(50, [1], [1]))
    await stream.until(() => stream.ended())
    expect(stream.text().trimEnd().endsWith("event: closed")).toBe(true)
    const stranger = open(9)
    await stranger.until(() => stranger.ended())
    expect(stranger.status()).toBe(403)
    expect(stranger.text()).toContain("device-not-enrolled")
    expect(world.context.feed.count()).toBe(0)
  })
})
