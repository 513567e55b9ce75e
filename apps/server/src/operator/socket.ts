import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createConnection, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

import { err, ok, type Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import type { Logger } from "pino"

import type { Context } from "../service/context.ts"
import { acceptLoss, listLosses } from "../service/losses.ts"
import { confirmDevice, freezeUser, invite, listUsers, resetTwoFactor, rotateKek } from "../service/operator.ts"
import { MAX_LINE_BYTES, type OperatorReply, type OperatorRequest, parseOperatorRequest } from "./messages.ts"

// Names of sockets are short in every system; a deeper data folder gets one elsewhere and says where.
const MAX_PATH_BYTES = 100
const TIMEOUT_MS = 60_000
const POINTER = "operator.path"

export interface OperatorSocket {
  readonly close: () => Promise<void>
}

/** Listens in the data folder, which only its owner can enter. A socket that a killed server left is replaced. */
export const openOperatorSocket = async (folder: string, context: Context, log: Logger): Promise<OperatorSocket> => {
  const own = join(folder, "operator.sock")
  const path =
    Buffer.byteLength(own) <= MAX_PATH_BYTES ? own : join(mkdtempSync(join(tmpdir(), "keyferry-")), "operator.sock")
  rmSync(path, { force: true })
  writeFileSync(join(folder, POINTER), path, { mode: 0o600 })
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    socket.on("error", () => socket.destroy())
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy())
    readLine(socket, (line) => {
      void answer(context, log, line).then((reply) => socket.end(`${JSON.stringify(reply)}\n`))
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(path, () => resolve())
  })
  chmodSync(path, 0o600)
  return Object.freeze({
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
      rmSync(path, { force: true })
      if (path !== own) rmSync(dirname(path), { recursive: true, force: true })
      rmSync(join(folder, POINTER), { force: true })
    },
  })
}

const answer = async (context: Context, log: Logger, line: string): Promise<OperatorReply> => {
  const request = parseOperatorRequest(line)
  if (request === undefined) return { ok: false, error: { code: "malformed" } }
  try {
    const done = await carryOut(context, request)
    if (done.ok) return { ok: true, value: done.value }
    const { code, detail } = done.error
    return { ok: false, error: { code, ...(detail === undefined ? {} : { detail }) } }
  } catch (error) {
    log.error({ err: error, command: request.command }, "operator command failed")
    return { ok: false, error: { code: "internal" } }
  }
}

const carryOut = (context: Context, request: OperatorRequest): Promise<Result<unknown, Failure>> => {
  switch (request.command) {
    case "invite":
      return invite(context)
    case "user-ls":
      return listUsers(context)
    case "user-reset-2fa":
      return resetTwoFactor(context, request.address)
    case "user-freeze":
      return freezeUser(context, request.address)
    case "device-confirm":
      return confirmDevice(context, request.code)
    case "kek-rotate":
      return rotateKek(context)
    case "loss-ls":
      return listLosses(context)
    case "loss-accept":
      return acceptLoss(context, request.account)
  }
}

/** Asks the server that runs on this data folder. Errors: network-unreachable, when none does. */
export const askServer = (folder: string, request: OperatorRequest): Promise<Result<OperatorReply, Failure>> =>
  new Promise((resolve) => {
    const path = readPointer(folder)
    const gone = err<Failure>({ code: "network-unreachable", detail: `No server runs on ${folder}.` })
    if (path === undefined) {
      resolve(gone)
      return
    }
    const socket = createConnection(path)
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy())
    socket.once("error", () => resolve(gone))
    socket.once("close", () => resolve(gone))
    socket.once("connect", () => socket.write(`${JSON.stringify(request)}\n`))
    readLine(socket, (line) => {
      resolve(ok(JSON.parse(line) as OperatorReply))
      socket.end()
    })
  })

const readPointer = (folder: string): string | undefined => {
  try {
    return readFileSync(join(folder, POINTER), "utf8")
  } catch {
    return undefined
  }
}

const readLine = (socket: Socket, onLine: (line: string) => void): void => {
  let text = ""
  const take = (chunk: Buffer): void => {
    text += chunk.toString("utf8")
    const end = text.indexOf("\n")
    if (end < 0) {
      if (text.length > MAX_LINE_BYTES) socket.destroy()
      return
    }
    socket.off("data", take)
    onLine(text.slice(0, end))
  }
  socket.on("data", take)
}
