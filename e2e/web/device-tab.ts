import type { Result } from "@keyferry/base"
import type { Failure } from "@keyferry/protocol"
import type { ItemSummary, Keyferry, Status } from "@keyferry/sdk"

import type { Snapshot } from "../../apps/web/src/bridge/contract.ts"
import type { BrowserProcess, Tab } from "./browsers.ts"

/** One tab as a device: the bridge's methods, called in the page. */
export interface DeviceTab {
  readonly tab: Tab
  /** Fails the story when the call failed. */
  readonly must: <T = unknown>(method: keyof Keyferry, ...args: readonly unknown[]) => Promise<T>
  /** The code of the failure, or `undefined` where it went well. */
  readonly codeOf: (method: keyof Keyferry, ...args: readonly unknown[]) => Promise<string | undefined>
  readonly status: () => Promise<Status>
  readonly snapshot: () => Promise<Snapshot>
  readonly titles: () => Promise<readonly string[]>
  readonly lockEverywhere: () => Promise<void>
  readonly keys: () => Promise<readonly (readonly [string, string, boolean])[]>
  readonly databases: () => Promise<readonly string[]>
}

interface Hook {
  readonly device: { readonly snapshot: () => Snapshot; readonly status: () => Promise<Status> }
  readonly call: (method: string, args: readonly unknown[]) => Promise<unknown>
  readonly keys: () => Promise<readonly (readonly [string, string, boolean])[]>
}
declare const hook: Hook
declare const indexedDB: { readonly databases: () => Promise<readonly { readonly name?: string }[]> }

export const openDeviceTab = async (browser: BrowserProcess, origin: string): Promise<DeviceTab> => {
  const tab = await browser.tab()
  await tab.goto(`${origin}/test/hook.html`)
  return deviceOf(tab)
}

export const deviceOf = (tab: Tab): DeviceTab => {
  const call = (method: string, args: readonly unknown[]) =>
    tab.run(([name, given]) => hook.call(name, given) as Promise<never>, [method, args] as const) as Promise<unknown>
  const result = async (method: string, args: readonly unknown[]): Promise<Result<unknown, Failure>> =>
    (await call(method, args)) as Result<unknown, Failure>
  const device: DeviceTab = {
    tab,
    must: async (method, ...args) => {
      const done = await result(method, args)
      if (!done.ok) throw new Error(`${method}: ${done.error.code} ${done.error.detail ?? ""}`)
      return done.value as never
    },
    codeOf: async (method, ...args) => {
      const done = await result(method, args)
      return done.ok ? undefined : done.error.code
    },
    status: () => tab.run(() => hook.device.status(), undefined),
    snapshot: () => tab.run(() => hook.device.snapshot(), undefined),
    titles: async () => (await device.must<readonly ItemSummary[]>("list")).map(({ title }) => title).toSorted(),
    lockEverywhere: async () => void (await call("lockEverywhere", [])),
    keys: () => tab.run(() => hook.keys(), undefined),
    databases: () =>
      tab.run(async () => (await indexedDB.databases()).map(({ name }) => name ?? "").toSorted(), undefined),
  }
  return device
}
