import { statfs } from "node:fs/promises"

import type { FastifyInstance } from "fastify"

import type { Context } from "../service/context.ts"
import { readProgress } from "../store/progress.ts"

const MIN_FREE_BYTES = 64 * 1024 * 1024

/** `/healthz`: the process answers. `/readyz`: it can do its work; otherwise 503 and what is missing. */
export const addHealth = (app: FastifyInstance, context: Context): void => {
  app.get("/healthz", async (_request, reply) => reply.type("text/plain").send("ok\n"))
  app.get("/readyz", async (_request, reply) => {
    const missing = await findMissing(context)
    if (missing.length === 0) return reply.type("text/plain").send("ok\n")
    return reply
      .status(503)
      .type("application/json")
      .send(JSON.stringify({ ready: false, missing }))
  })
}

const findMissing = async ({ store, strongroom, settings }: Context): Promise<readonly string[]> => {
  const [kept, health, disk] = await Promise.all([
    store.read(readProgress).then(
      () => true,
      () => false,
    ),
    strongroom.call("health", {}),
    settings.folder === undefined ? undefined : statfs(settings.folder).catch(() => undefined),
  ])
  return [
    ...(kept ? [] : ["store"]),
    ...(health.ok ? [] : ["strongroom"]),
    ...(health.ok && !health.value.store ? ["strongroom-store"] : []),
    ...(health.ok && !health.value.kms ? ["kms"] : []),
    ...(disk !== undefined && disk.bavail * disk.bsize < MIN_FREE_BYTES ? ["disk"] : []),
  ]
}
