import { existsSync } from "node:fs"

import { serveStrongroom } from "@keyferry/strongroom-api"

import { createFakeStrongroom } from "./fake-strongroom.ts"

// The fake behind the real pipes, for tests of starting, restarting and stopping.
const folder = process.argv[process.argv.indexOf("--data-dir") + 1] ?? ""
if (existsSync(`${folder}/refuse`)) {
  const sentence = "The key is not the right one."
  process.stderr.write(
    `${JSON.stringify({ level: "error", what: "kms-wrong-key", sentence, action: "Put it in place." })}\n`,
  )
  process.exit(12)
}

if (existsSync(`${folder}/busy`)) {
  process.stderr.write(`${JSON.stringify({ level: "error", what: "store-in-use", sentence: "In use." })}\n`)
  process.exit(1)
}

const fake = createFakeStrongroom(() => Date.now())
serveStrongroom(
  {
    send: (bytes) => void process.stdout.write(bytes),
    onReceive: (listener) => void process.stdin.on("data", listener),
    onClose: (listener) => void process.stdin.on("end", listener),
  },
  fake.handlers,
  (name, error) => void process.stderr.write(`${name}: ${String(error)}\n`),
)
process.stdin.on("end", () => process.exit(0))
