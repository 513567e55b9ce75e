import { spawnSync } from "node:child_process"
import { cpSync, existsSync, lstatSync, readdirSync, realpathSync } from "node:fs"
import { join } from "node:path"

import { startAnchor } from "../run/anchor.ts"
import { havePeers, PEERS } from "../run/peers.ts"
import { alternate, type Plan } from "../run/rounds.ts"
import { type Family, plainRow, type Row, rowOf } from "../run/row.ts"
import { seed } from "../run/seed.ts"
import { startProduct, untilSignedAreTaken } from "../run/server.ts"
import { type Connection, openConnection, wireRequest } from "../run/wire.ts"
import { packedKf } from "./cli.ts"

/* C1, C2, C3: how soon it answers, how much it weighs, and what HTTP costs around one signed question. */
const ROOT = join(import.meta.dirname, "..", "..")
const CONNECTIONS = 16
const READY = Buffer.from("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")

const run = async (plan: Plan, folder: string): Promise<readonly Row[]> => [
  await coldStart(plan, folder),
  ...(await weights(folder)),
  await signedGets(plan, folder),
]

const coldStart = async (plan: Plan, folder: string): Promise<Row> => {
  let n = 0
  const measured = await alternate(plan, () => firstAnswer(join(folder, `cold-${n++}`)), nodeItself)
  return rowOf(
    { id: "C1", what: "start of both processes to the first 200", unit: "ms", beside: "node -e 0", goal: "≤ 300 ms" },
    measured,
    ({ ours }) => ours <= 300,
  )
}

export const nodeItself = async (): Promise<number> => {
  const began = performance.now()
  spawnSync(process.execPath, ["-e", "0"])
  return performance.now() - began
}

/** Until `/readyz` says that both processes answer; asked as soon as the address is printed. */
const firstAnswer = async (folder: string): Promise<number> => {
  const began = performance.now()
  const product = await startProduct(folder)
  const connection = await openConnection(product.port)
  const { status } = await connection.send(READY)
  const took = performance.now() - began
  connection.close()
  await product.stop()
  if (status !== 200) throw new Error(`/readyz answered ${status}`)
  return took
}

/** What a server needs besides Node: put into an empty folder, started from there, and weighed. */
const weights = async (folder: string): Promise<readonly Row[]> => {
  const installed = join(folder, "installed")
  for (const part of [
    "apps/server/dist",
    "apps/server/src/pages",
    "apps/server/package.json",
    "apps/strongroom/dist",
    "apps/web/dist",
  ])
    if (existsSync(join(ROOT, part))) cpSync(join(ROOT, part), join(installed, part), { recursive: true })
  const product = await startProduct(join(folder, "light"), installed)
  const connection = await openConnection(product.port)
  const { status } = await connection.send(READY)
  connection.close()
  await product.stop()
  if (status !== 200) throw new Error(`the server by itself answered ${status}`)
  const server = sizeOf(installed) / 2 ** 20
  const words = { id: "C2", what: "server without Node, unpacked", unit: "MiB", goal: "≤ 25 MiB" }
  const actual = havePeers("@actual-app/sync-server")
    ? sizeOf(join(PEERS, "node_modules", "@actual-app")) / 2 ** 20
    : undefined
  const bw = havePeers("@bitwarden/cli") ? sizeOf(join(PEERS, "node_modules", "@bitwarden")) / 2 ** 20 : undefined
  const kf = lstatSync(packedKf()).size / 2 ** 20
  return [
    plainRow(
      { ...words, beside: actual === undefined ? "" : "Actual" },
      server,
      actual,
      server <= 25,
      "Actual: its own packages alone, without the libraries they need",
    ),
    plainRow(
      { id: "C2", what: "kf as one file", unit: "MiB", beside: bw === undefined ? "" : "bw", goal: "≤ 5 MiB" },
      kf,
      bw,
      kf <= 5,
      "bw: its own package alone",
    ),
  ]
}

const sizeOf = (path: string): number => {
  const entry = lstatSync(path)
  // A workspace is linked to.
  if (entry.isSymbolicLink()) return sizeOf(realpathSync(path))
  if (!entry.isDirectory()) return entry.size
  return readdirSync(path)
    .filter((name) => name !== "node_modules")
    .reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}

const signedGets = async (plan: Plan, folder: string): Promise<Row> => {
  const { writers } = await seed(join(folder, "gets"), 1, 100)
  const [writer] = writers
  if (writer === undefined) throw new Error("no writer")
  const product = await startProduct(join(folder, "gets"))
  await untilSignedAreTaken()
  const raw = await startAnchor("http.mjs")
  const ours = await Promise.all(Array.from({ length: CONNECTIONS }, () => openConnection(product.port)))
  const theirs = await Promise.all(Array.from({ length: CONNECTIONS }, () => openConnection(raw.port)))
  const each = plan.quick ? 40 : 150
  const plainGet = Buffer.from("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
  const measured = await alternate(
    plan,
    async () => {
      const requests = await Promise.all(
        Array.from({ length: CONNECTIONS * each }, () =>
          wireRequest("account.status", writer.device, product.authority, new Uint8Array()),
        ),
      )
      return load(ours, (i, n) => requests[i * each + n] ?? plainGet, each)
    },
    () => load(theirs, () => plainGet, each * 10),
  )
  await product.stop()
  await raw.stop()
  return rowOf(
    { id: "C3", what: "signed GET of an unchanged account", unit: "/s", beside: "Node http", goal: "ratio ≥ 0.06" },
    measured,
    ({ ratio }) => ratio >= 0.06,
  )
}

const load = async (
  connections: readonly Connection[],
  requestOf: (connection: number, n: number) => Uint8Array,
  each: number,
): Promise<number> => {
  const began = performance.now()
  await Promise.all(
    connections.map(async (connection, i) => {
      for (let n = 0; n < each; n++) {
        const { status } = await connection.send(requestOf(i, n))
        if (status !== 200) throw new Error(`answered ${status}`)
      }
    }),
  )
  return (connections.length * each) / ((performance.now() - began) / 1000)
}

export const starts: Family = { ids: ["C1", "C2", "C3"], run }
