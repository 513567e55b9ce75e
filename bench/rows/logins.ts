import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import { expectOk } from "../../packages/base/src/index.ts"
import {
  answerOpaqueLogin,
  answerOpaqueRegistration,
  finishOpaqueLogin,
  makeOpaqueSetup,
  makeSigSeed,
  startOpaqueLogin,
  startOpaqueRegistration,
} from "../../packages/crypto/src/index.ts"
import { openNodeKeyferry } from "../../packages/sdk/src/node/index.ts"
import { deploymentOf, signInRaw } from "../../adversarial/world/password-client.ts"
import { alternate, median, type Plan } from "../run/rounds.ts"
import { type Family, type Row, rowOf } from "../run/row.ts"
import { startProduct } from "../run/server.ts"

/* L1, L2: signing in by password, what it costs the server and what a person waits. */
const PASSWORD = "correct horse battery"
const ADDRESS = "ada@example.org"

const run = async (plan: Plan, folder: string): Promise<readonly Row[]> => {
  const product = await startProduct(join(folder, "server"))
  const origin = `http://${product.authority}`
  const opened = await openNodeKeyferry({ folder: join(folder, "device") })
  if (!opened.ok) throw new Error(opened.error.code)
  const signedUp = await opened.value.signUp({
    link: product.firstLink,
    address: ADDRESS,
    password: PASSWORD,
    deviceName: "First",
  })
  if (!signedUp.ok) throw new Error(`sign-up: ${signedUp.error.code} ${signedUp.error.detail ?? ""}`)
  const deployment = await deploymentOf(origin)
  const random = { bytes: (n: number) => crypto.getRandomValues(new Uint8Array(n)) }
  const seed = makeSigSeed(random)
  const logIn = async (): Promise<number> => {
    const began = performance.now()
    const reply = await signInRaw(origin, deployment, ADDRESS, PASSWORD, seed)
    if (reply.status !== 200) throw new Error(`sign-in: ${reply.status} ${reply.code}`)
    return performance.now() - began
  }
  const shots = plan.quick ? 6 : 15
  const serverCost = async (): Promise<number> => {
    const before = cpuMs(product.pids())
    for (let i = 0; i < shots; i++) await logIn()
    return (cpuMs(product.pids()) - before) / shots
  }
  const repeated = async (): Promise<number> => {
    const times: number[] = []
    for (let i = 0; i < shots; i++) times.push(await logIn())
    return median(times)
  }
  // The client's half alone, without network and server: what the stretching of the password takes.
  const { library, stretch } = await opaqueAlone()
  await logIn()
  const cost = await alternate(plan, serverCost, async () => library())
  const wait = await alternate(plan, repeated, stretch)
  await opened.value.close()
  await product.stop()
  return [
    rowOf(
      {
        id: "L1",
        what: "processor time of both processes for a login",
        unit: "ms",
        beside: "OPAQUE alone",
        goal: "≤ 1.0 ms",
      },
      cost,
      ({ ours }) => ours <= 1,
    ),
    rowOf(
      {
        id: "L2",
        what: "login at the client, two requests",
        unit: "ms",
        beside: "its KDF alone",
        goal: "≤ KDF + 30 ms",
      },
      wait,
      ({ ours, anchor }) => ours <= anchor + 30,
    ),
  ]
}

/** Both halves of the library in this process: `library` is the server's for one login, `stretch` the client's. */
const opaqueAlone = async (): Promise<{
  readonly library: () => Promise<number>
  readonly stretch: () => Promise<number>
}> => {
  const identifiers = { account: "bench", deployment: "bench" }
  const setup = await makeOpaqueSetup()
  const registering = await startOpaqueRegistration(PASSWORD)
  const answered = expectOk(
    await answerOpaqueRegistration(setup, identifiers.account, registering.request),
    "registration",
  )
  const { record } = expectOk(await registering.finish(answered, identifiers), "registration")
  const once = async (): Promise<{ readonly server: number; readonly client: number }> => {
    const began = performance.now()
    const login = await startOpaqueLogin(PASSWORD)
    const asked = performance.now()
    const answer = expectOk(await answerOpaqueLogin(setup, identifiers, record, login.request), "login")
    const got = performance.now()
    const finished = expectOk(await login.finish(answer.response, identifiers), "login")
    const done = performance.now()
    expectOk(await finishOpaqueLogin(answer.state, identifiers, finished.finish), "login")
    return { server: got - asked + performance.now() - done, client: asked - began + done - got }
  }
  const several = async (): Promise<{ readonly server: number; readonly client: number }> => {
    const all = [await once(), await once(), await once()]
    return { server: median(all.map((one) => one.server)), client: median(all.map((one) => one.client)) }
  }
  return { library: async () => (await several()).server, stretch: async () => (await several()).client }
}

/** Processor time of these processes and their threads, to the nanosecond. */
const cpuMs = (pids: readonly number[]): number =>
  pids.reduce(
    (sum, pid) =>
      sum +
      readdirSync(`/proc/${pid}/task`).reduce(
        (own, task) => own + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]) / 1e6,
        0,
      ),
    0,
  )

export const logins: Family = { ids: ["L1", "L2"], run }
