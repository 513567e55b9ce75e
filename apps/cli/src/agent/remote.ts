import { err, ok } from "@keyferry/base"
import { failure, type Failure, isErrorCode } from "@keyferry/sdk/errors"

import type { Keyferry, OnProgress } from "../keyferry.ts"
import type { Channel } from "./channel.ts"
import { asObject, type AgentStatus } from "./messages.ts"
import { type Method, METHODS } from "./methods.ts"

/** What the agent itself can do, beside the SDK's methods. */
export interface AgentCalls {
  readonly status: () => Promise<AgentStatus>
  readonly stop: () => Promise<void>
  /** Locks after this time, or earlier where the policy says so. */
  readonly lockAfter: (ms: number) => Promise<void>
}

/** The SDK's object, living in the agent. `close` closes the connection only. */
export const createRemoteKeyferry = (channel: Channel): Keyferry => {
  const method = <M extends Method>(name: M): Keyferry[M] => {
    const send = async (...given: readonly unknown[]): Promise<unknown> => {
      const last = given.at(-1)
      const listener = METHODS[name].progress && typeof last === "function" ? (last as OnProgress) : undefined
      const args = METHODS[name].progress ? given.filter((argument) => typeof argument !== "function") : given
      return channel.call(name, trimUndefined(args), listener === undefined ? undefined : parseProgressFor(listener))
    }
    return send as Keyferry[M]
  }
  return Object.freeze({
    status: method("status"),
    onChange: (listener) => channel.onChange(listener),
    createLocal: method("createLocal"),
    unlock: method("unlock"),
    lock: method("lock"),
    confirmPassword: method("confirmPassword"),
    close: async () => channel.close(),
    list: method("list"),
    bin: method("bin"),
    get: method("get"),
    add: method("add"),
    addMany: method("addMany"),
    edit: method("edit"),
    draft: method("draft"),
    keepDraft: method("keepDraft"),
    remove: method("remove"),
    restore: method("restore"),
    history: method("history"),
    resolve: method("resolve"),
    setPolicy: method("setPolicy"),
    setClass: method("setClass"),
    setCredentialSync: method("setCredentialSync"),
    setAutomaticSync: method("setAutomaticSync"),
    signUp: method("signUp"),
    loginStart: method("loginStart"),
    loginSecondFactor: method("loginSecondFactor"),
    loginPasskey: method("loginPasskey"),
    loginFactorLost: method("loginFactorLost"),
    stopFactorReset: method("stopFactorReset"),
    requestMail: method("requestMail"),
    confirmation: method("confirmation"),
    finishWithKit: method("finishWithKit"),
    finishWithPasskey: method("finishWithPasskey"),
    approvalScan: method("approvalScan"),
    approvalWords: method("approvalWords"),
    approvalReply: method("approvalReply"),
    recoverStart: method("recoverStart"),
    recoverFinish: method("recoverFinish"),
    freezeAccount: method("freezeAccount"),
    thawAccount: method("thawAccount"),
    waitForThaw: method("waitForThaw"),
    resetLease: method("resetLease"),
    approveLeaseReset: method("approveLeaseReset"),
    denyLeaseReset: method("denyLeaseReset"),
    accountPolicy: method("accountPolicy"),
    setAccountPolicy: method("setAccountPolicy"),
    address: method("address"),
    changeAddress: method("changeAddress"),
    accountLog: method("accountLog"),
    twoFactorStart: method("twoFactorStart"),
    twoFactorConfirm: method("twoFactorConfirm"),
    twoFactorCheck: method("twoFactorCheck"),
    twoFactorPasskey: method("twoFactorPasskey"),
    passkeys: method("passkeys"),
    passkeyAdd: method("passkeyAdd"),
    passkeyRemove: method("passkeyRemove"),
    recoveryCodes: method("recoveryCodes"),
    twoFactorOff: method("twoFactorOff"),
    changePassword: method("changePassword"),
    changeDevicePassword: method("changeDevicePassword"),
    replaceKit: method("replaceKit"),
    checkKit: method("checkKit"),
    syncOn: method("syncOn"),
    pauseRetrieve: method("pauseRetrieve"),
    syncOff: method("syncOff"),
    syncResume: method("syncResume"),
    syncNow: method("syncNow"),
    evidence: method("evidence"),
    repair: method("repair"),
    takeServerHistory: method("takeServerHistory"),
    registerPassword: method("registerPassword"),
    devices: method("devices"),
    renameDevice: method("renameDevice"),
    approveStart: method("approveStart"),
    approve: async (id, words) => {
      const answer = asObject(await channel.call("approve", [id, words]))
      const value = asObject(answer?.["value"])
      if (answer?.["ok"] !== true || value === undefined) return err(parseFailure(answer?.["error"]))
      const reply = Array.isArray(value["reply"]) ? value["reply"].map(String) : []
      const done = channel.call("approveDone", [value["ticket"]]).then(
        (settled) => {
          const outcome = asObject(settled)
          return outcome?.["ok"] === true ? ok(undefined) : err(parseFailure(outcome?.["error"]))
        },
        () => err(failure("internal", "The agent ended before the approval was done.")),
      )
      return ok({ reply, done })
    },
    denyDevice: method("denyDevice"),
    removeDevice: method("removeDevice"),
    rotationList: method("rotationList"),
    rotationDone: method("rotationDone"),
    leaving: method("leaving"),
    signOut: method("signOut"),
    exportArchive: method("exportArchive"),
    importArchive: method("importArchive"),
    rescue: method("rescue"),
  } satisfies Keyferry)
}

export const createAgentCalls = (channel: Channel): AgentCalls =>
  Object.freeze({
    status: async () => (await channel.call("agentStatus", [])) as AgentStatus,
    stop: async () => void (await channel.call("agentStop", [])),
    lockAfter: async (ms) => void (await channel.call("agentLockAfter", [ms])),
  } satisfies AgentCalls)

const parseFailure = (value: unknown): Failure => {
  const code = asObject(value)?.["code"]
  const detail = asObject(value)?.["detail"]
  if (typeof code !== "string" || !isErrorCode(code)) return failure("internal")
  return failure(code, typeof detail === "string" ? detail : undefined)
}

const parseProgressFor = (listener: OnProgress) => (value: unknown) => {
  const progress = asObject(value)
  const { step, done, total } = progress ?? {}
  if (!isStep(step) || typeof done !== "number" || typeof total !== "number") return
  listener({ step, done, total })
}

const STEPS = ["uploading", "retrieving", "opening", "importing", "rotating"] as const
const isStep = (value: unknown): value is (typeof STEPS)[number] => STEPS.some((step) => step === value)

// JSON has no `undefined`: a missing last argument must stay missing, not become null.
const trimUndefined = (args: readonly unknown[]): readonly unknown[] => {
  let length = args.length
  while (length > 0 && args[length - 1] === undefined) length--
  return args.slice(0, length)
}
