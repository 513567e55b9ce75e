import { join } from "node:path"

import type { SignedRequest } from "@keyferry/strongroom-api"

import { startStrongroom } from "../../apps/server/src/strongroom/process.ts"
import type { Http } from "./upload.ts"

const ROOT = join(import.meta.dirname, "..", "..")
const COVERED = ["content-type", "content-digest", "idempotency-key", "signature-input", "signature"]

export interface StrongroomDoor {
  readonly send: Http["send"]
  readonly close: () => Promise<number>
}

/** The strongroom of a stopped server, spoken to directly: what it answers is its own judgement and nobody else's. */
export const openStrongroomDoor = async (serverFolder: string, origins: readonly string[]): Promise<StrongroomDoor> => {
  const folder = join(serverFolder, "strongroom")
  const silent = (): void => undefined
  const started = await startStrongroom({
    entry: join(ROOT, "apps", "strongroom", "src", "main.ts"),
    folder,
    programFolders: ["apps/strongroom", "packages", "node_modules", "package.json"].map((path) => join(ROOT, path)),
    args: ["--data-dir", folder],
    log: { debug: silent, info: silent, warn: silent, error: silent } as unknown as Parameters<
      typeof startStrongroom
    >[0]["log"],
  })
  if (!started.ok) throw new Error(`the strongroom did not start: ${started.error.reason}`)
  const { call, stop } = started.value
  return {
    send: async (request) => {
      const url = new URL(request.url)
      const signed: SignedRequest = {
        method: request.method,
        authority: url.host,
        path: url.pathname,
        query: url.search.slice(1),
        headers: Object.entries(request.headers).filter(([name]) => COVERED.includes(name)),
        body: new Uint8Array(request.body ?? []),
      }
      const done = await call("execute", {
        request: signed,
        limits: { devices: 0, items: 0, bytes: 0 },
        origins: [...origins],
      })
      if (!done.ok) throw new Error(`the strongroom did not answer: ${done.error.code}`)
      const { status, contentType, body, code, serverTimeMs } = done.value
      if (code === undefined) return { status, contentType, body: new Uint8Array(body) }
      const problem = { code, ...(serverTimeMs === undefined ? {} : { serverTimeMs }) }
      return {
        status,
        contentType: "application/problem+json",
        body: new Uint8Array(Buffer.from(JSON.stringify(problem))),
      }
    },
    close: stop,
  }
}
