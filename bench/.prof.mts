import { mkdtempSync } from "node:fs"
import { openNodeKeyferry } from "/work/wt/weight/packages/sdk/src/node/index.ts"
const dir = mkdtempSync("/tmp/kfp-")
const N = Number(process.argv[2] ?? 10000)
let kf: any = await openNodeKeyferry({ folder: dir })
kf = kf.value
await kf.createLocal("correct horse battery")
const pad = (n: number, l: number) => {
  let s = ""
  let x = (n * 2654435761) >>> 0
  while (s.length < l) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    s += x.toString(36)
  }
  return s.slice(0, l)
}
const input = (n: number) =>
  n % 10 === 4
    ? { kind: "note", title: `Note ${n}`, fields: [{ name: "text", value: pad(n, 1700), secret: true }] }
    : n % 5 === 1
      ? { kind: "api-token", title: `Api ${n}`, fields: [{ name: "token", value: pad(n, 120), secret: true }] }
      : {
          kind: "login",
          title: `Login ${n} ${pad(n, 6)}`,
          fields: [
            { name: "username", value: `ada${n}@example.com`, secret: false },
            { name: "password", value: pad(n, 24), secret: true },
            { name: "url", value: `https://s${n}.example.com/login/${pad(n, 40)}`, secret: false },
          ],
        }
const t = performance.now()
for (let i = 0; i < N; i += 500) {
  const r = await kf.addMany(Array.from({ length: Math.min(500, N - i) }, (_, k) => input(i + k)))
  if (!r.ok) {
    console.log(JSON.stringify(r.error))
    process.exit(1)
  }
}
console.log("add", performance.now() - t)
await kf.close()
for (let k = 0; k < 3; k++) {
  kf = ((await openNodeKeyferry({ folder: dir })) as any).value
  const a = performance.now()
  await kf.unlock("correct horse battery")
  const b = performance.now()
  const l = await kf.list()
  const c = performance.now()
  await kf.status()
  const d = performance.now()
  console.log("unlock", (b - a) | 0, "list", (c - b) | 0, l.value.length, "status", (d - c) | 0)
  await kf.close()
}
process.exit(0)
