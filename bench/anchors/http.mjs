// Node's own HTTP server with one answer of 0.75 KB. Prints its port.
import { createServer } from "node:http"

const body = JSON.stringify({ item: "x".repeat(730) })
const server = createServer((request, response) => {
  request.resume()
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length })
  response.end(body)
})
server.listen(0, "127.0.0.1", () => process.stdout.write(`listening ${server.address().port}\n`))
