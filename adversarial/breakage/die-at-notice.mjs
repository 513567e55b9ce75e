// Loaded before a server: when the strongroom tells of a commit, the server dies before it has read it, as in a power cut.
// Armed by a file, so that the server starts first. The product's code stays as it is.
import childProcess from "node:child_process"
import { existsSync } from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import process from "node:process"

const armed = process.env.KF_DIE_FILE ?? ""
const spawn = childProcess.spawn

/** A frame is a 4-byte length and CBOR; a notice is an array of two that begins with 0. Several may come at once. */
const hasNotice = (chunk) => {
  for (let at = 0; at + 6 <= chunk.length; at += 4 + chunk.readUInt32BE(at))
    if (chunk[at + 4] === 0x82 && chunk[at + 5] === 0x00) return true
  return false
}

childProcess.spawn = (...args) => {
  const child = spawn(...args)
  child.stdout?.on("data", (chunk) => {
    if (hasNotice(chunk) && existsSync(armed)) process.kill(process.pid, "SIGKILL")
  })
  return child
}
syncBuiltinESMExports()
