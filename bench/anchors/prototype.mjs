// The ceiling of this design: pushes of one event-loop turn in one durable commit, then acknowledged and fanned out. No
// signatures, no roots, no second encryption, no other process, no checks. Frames are length-prefixed:
//   push    1, vault u32, id 16 B, ciphertext     answered with   1, rev u48, and sent to who listens as  3, rev u48, ciphertext
//   pull    2, vault u32, since u48               answered with   2 and all records, each u32 length first
//   listen  3, vault u32
// node prototype.mjs <database file>
import { createServer } from "node:net"
import { DatabaseSync } from "node:sqlite"

const db = new DatabaseSync(process.argv[2])
db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8000")
db.exec(
  "CREATE TABLE IF NOT EXISTS item (rev INTEGER PRIMARY KEY, vault INTEGER, id BLOB, ct BLOB, UNIQUE (vault, id))",
)
const insert = db.prepare(
  "INSERT INTO item (vault, id, ct) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET ct = excluded.ct",
)
const select = db.prepare("SELECT ct FROM item WHERE vault = ? AND rev > ?")
const listeners = new Map()
let waiting = []

const frame = (...parts) => {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(body.length)
  return Buffer.concat([head, body])
}
const u48 = (value) => {
  const out = Buffer.alloc(6)
  out.writeUIntBE(value, 0, 6)
  return out
}
const commit = () => {
  const group = waiting
  waiting = []
  db.exec("BEGIN IMMEDIATE")
  const revs = group.map(({ items }) =>
    items.map(({ vault, id, ct }) => Number(insert.run(vault, id, ct).lastInsertRowid)),
  )
  db.exec("COMMIT")
  group.forEach(({ socket, items }, i) => {
    const rev = u48(revs[i].at(-1))
    socket.write(frame(Buffer.of(1), rev))
    for (const { vault, ct } of items)
      for (const one of listeners.get(vault) ?? []) one.write(frame(Buffer.of(3), rev, ct))
  })
}
const receive = (socket, body) => {
  const vault = body.readUInt32BE(1)
  if (body[0] === 1) {
    // Many items in one push follow each other, each u32 length first.
    const items = []
    for (let at = 5; at < body.length;) {
      const length = body.readUInt32BE(at)
      items.push({ vault, id: body.subarray(at + 4, at + 20), ct: body.subarray(at + 20, at + 4 + length) })
      at += 4 + length
    }
    waiting.push({ socket, items })
    if (waiting.length === 1) setImmediate(commit)
  } else if (body[0] === 2) {
    const parts = [Buffer.of(2)]
    for (const { ct } of select.all(vault, body.readUIntBE(5, 6))) parts.push(u48(ct.length).subarray(2), ct)
    socket.write(frame(...parts))
  } else {
    listeners.set(vault, [...(listeners.get(vault) ?? []), socket])
    socket.write(frame(Buffer.of(3)))
  }
}
const server = createServer({ noDelay: true }, (socket) => {
  let held = Buffer.alloc(0)
  socket.on("error", () => undefined)
  socket.on("data", (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    while (held.length >= 4 && held.length >= 4 + held.readUInt32BE(0)) {
      const length = held.readUInt32BE(0)
      receive(socket, held.subarray(4, 4 + length))
      held = held.subarray(4 + length)
    }
  })
})
server.listen(0, "127.0.0.1", () => process.stdout.write(`listening ${server.address().port}\n`))
