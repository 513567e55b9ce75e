// An echo over WebSockets, and nothing else.  node ws-echo.mjs <peers folder>
import { createRequire } from "node:module"

const { WebSocketServer } = createRequire(`${process.argv[2]}/package.json`)("ws")
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false })
server.on("connection", (socket) => socket.on("message", (message) => socket.send(message)))
server.on("listening", () => process.stdout.write(`listening ${server.address().port}\n`))
