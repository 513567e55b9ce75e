// The published sync server of Jazz, cut down to its library: WebSocket peers of one node that stores before it forwards.
// node jazz-server.mjs <peers folder> <database file>
import { createRequire } from "node:module"
import { DatabaseSync } from "node:sqlite"
import { pathToFileURL } from "node:url"

const [, , peers, file] = process.argv
const require = createRequire(`${peers}/package.json`)
const load = (name) => import(pathToFileURL(require.resolve(name)).href)
const { WebSocketServer } = require("ws")
const { getSqliteStorage, LocalNode } = await load("cojson")
const { NapiCrypto } = await load("cojson/crypto/NapiCrypto")
const { createWebSocketPeer } = await load("cojson-transport-ws")

const crypto = await NapiCrypto.create()
const db = new DatabaseSync(file)
db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
const statements = new Map()
const prepare = (sql) => {
  const known = statements.get(sql) ?? db.prepare(sql)
  statements.set(sql, known)
  return known
}
const storage = getSqliteStorage({
  run: (sql, params) => void prepare(sql).run(...params),
  get: (sql, params) => prepare(sql).get(...params),
  query: (sql, params) => prepare(sql).all(...params),
  transaction: (callback) => {
    db.exec("BEGIN IMMEDIATE")
    try {
      callback()
      db.exec("COMMIT")
    } catch (error) {
      db.exec("ROLLBACK")
      throw error
    }
  },
  closeDb: () => db.close(),
  getMigrationVersion: () => db.prepare("PRAGMA user_version").get().user_version,
  saveMigrationVersion: (version) => db.exec(`PRAGMA user_version = ${version}`),
})
const secret = crypto.newRandomAgentSecret()
const node = new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto)
node.setStorage(storage)

let n = 0
const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
server.on("connection", (websocket) => {
  const peer = createWebSocketPeer({ id: `client-${n++}`, role: "client", websocket, batchingByDefault: false })
  node.syncManager.addPeer(peer)
  // The published server does this every 1.5 s, and its clients leave when it does not.
  const pings = setInterval(
    () => websocket.send(JSON.stringify({ type: "ping", time: Date.now(), dc: "unknown" })),
    1500,
  )
  websocket.on("close", () => clearInterval(pings))
})
server.on("listening", () => process.stdout.write(`listening ${server.address().port}\n`))
