import { err } from "@keyferry/base"

import * as f from "./fixtures.ts"
import type { GalleryState } from "./gallery-state.ts"

const none = { status: f.none, items: [] }
const joining = (over: Parameters<typeof f.enrolment>[0]) => ({
  status: { ...f.none, enrolment: f.enrolment(over) },
  items: [],
})
const locked = { ...f.synced, lock: "locked" as const }
const broken = (code: NonNullable<typeof f.synced.sync.code>) => ({
  ...f.synced,
  sync: f.syncUp({ state: "refused", code }),
})

export const ENTRY_STATES: readonly GalleryState[] = [
  { id: "first-run", path: "/", shows: ["screen:first-run"], record: none },
  { id: "first-run-360", path: "/", shows: [], record: none, width: 360 },
  {
    id: "add-first",
    path: "/add/exchange-key",
    shows: ["screen:add-first"],
    record: none,
    steps: [{ fill: "Exchange", text: "Bybit" }, { press: "Escape" }],
  },
  {
    id: "add-first-password",
    path: "/add/note",
    shows: ["dialog:local-password"],
    record: none,
    steps: [
      { fill: "Text", text: "not a secret" },
      { click: "Save" },
      { fill: "Password", text: "correct horse battery" },
    ],
  },
  { id: "choose-kind", path: "/add/choose", shows: ["screen:choose-kind"], record: none },
  { id: "unlock", path: "/", shows: ["screen:unlock"], record: { status: locked } },
  {
    id: "unlock-holder-closed",
    path: "/",
    shows: ["screen:unlock-holder-closed"],
    record: { status: locked, holderClosed: true },
  },
  { id: "unlock-local", path: "/", shows: [], record: { status: { ...f.local, lock: "locked" } }, width: 360 },
  {
    id: "unlock-wrong",
    path: "/",
    shows: ["error:wrong-password"],
    record: { status: locked, fails: { unlock: "wrong-password" } },
    steps: [{ fill: "Password", text: "not this one" }, { click: "Unlock" }],
  },
  {
    id: "unlock-lost",
    path: "/",
    shows: ["screen:unlock-lost", "dialog:start-again"],
    record: { status: locked, fails: { unlock: "store-corrupt" } },
    steps: [{ fill: "Password", text: "correct horse" }, { click: "Unlock" }, { click: "Get keys again" }],
  },
  { id: "unlock-offline", path: "/", shows: ["screen:unlock-offline"], record: { status: locked, online: false } },
  {
    id: "unlock-frozen",
    path: "/",
    shows: ["screen:unlock-frozen"],
    record: { status: { ...locked, account: f.account({ frozen: true }) } },
  },
  {
    id: "unlock-joining",
    path: "/",
    shows: ["screen:unlock-joining"],
    record: { status: { ...f.local, lock: "locked", joining: true } },
  },
  { id: "rescue", path: "/rescue", shows: ["screen:rescue"], record: { status: locked } },
  { id: "sign-in", path: "/sign-in", shows: ["screen:sign-in"], record: none },
  {
    id: "sign-in-wrong",
    path: "/sign-in",
    shows: ["error:wrong-credentials"],
    record: { ...none, fails: { loginStart: "wrong-credentials" } },
    steps: [
      { fill: "Email", text: "ada@example.com" },
      { fill: "Password", text: "not this one" },
      { click: "Sign in" },
    ],
  },
  { id: "second-factor", path: "/", shows: ["screen:second-factor"], record: joining({}) },
  {
    id: "factor-lost",
    path: "/",
    shows: ["dialog:factor-lost"],
    record: joining({}),
    steps: [{ click: "Go on without it" }],
  },
  {
    id: "factor-waits",
    path: "/",
    shows: ["screen:factor-waits"],
    record: {
      ...joining({}),
      over: { loginFactorLost: async () => err({ code: "recovery-waiting", retryAfterS: 72 * 3600 }) },
    },
    steps: [{ click: "Go on without it" }, { click: "Go on" }],
  },
  {
    id: "confirm-by-device",
    path: "/",
    shows: ["screen:confirm-by-device", "device:pending"],
    record: joining({ step: "confirm" }),
  },
  {
    id: "confirm-by-mail",
    path: "/",
    shows: ["screen:confirm-by-mail"],
    record: joining({ step: "confirm", code: "481902", mail: "queued", mailedTo: "a***@example.com" }),
  },
  {
    id: "confirm-by-mail-360",
    path: "/",
    shows: [],
    width: 360,
    record: joining({ step: "confirm", code: "481902", mail: "queued", mailedTo: "a***@example.com" }),
  },
  {
    id: "confirm-mail-off",
    path: "/",
    shows: ["screen:mail-off"],
    record: joining({ step: "confirm", code: "481902", mail: "off", approver: false }),
  },
  {
    id: "confirm-link-used",
    path: "/",
    shows: ["screen:enrolment-ended"],
    record: joining({ step: "confirm", reason: "verify-link-used" }),
  },
  { id: "get-keys-by-kit", path: "/", shows: ["screen:get-keys"], record: joining({ step: "keys", approver: false }) },
  {
    id: "sign-up",
    path: "/sign-up?link=https%3A%2F%2Fkeys.example.com%2Fsetup%23abc",
    shows: ["screen:sign-up"],
    record: none,
  },
  {
    id: "kit",
    path: "/sign-up?link=https%3A%2F%2Fkeys.example.com%2Fsetup%23abc",
    shows: ["screen:kit"],
    record: none,
    steps: [
      { fill: "Email", text: "ada@example.com" },
      { fill: "Password", text: "correct horse battery staple" },
      { click: "Create account" },
    ],
  },
  { id: "recover", path: "/recover", shows: ["screen:recover"], record: none },
  {
    id: "recover-password",
    path: "/",
    shows: ["screen:recover-password"],
    record: joining({ purpose: "recovery", step: "keys" }),
  },
  {
    id: "insecure-context",
    path: "/",
    shows: ["sync:insecure-context", "page:insecure-context"],
    record: { ...none, environment: { state: "insecure_context" } },
  },
  {
    id: "browser-lacks",
    path: "/",
    shows: ["page:browser-lacks"],
    record: { ...none, environment: { state: "unsupported", what: ["crypto.subtle", "indexedDB"] } },
  },
  {
    id: "store-failure",
    path: "/",
    shows: ["page:store-failure"],
    record: { ...none, failure: { code: "store-corrupt" } },
  },
  {
    id: "client-too-old",
    path: "/",
    shows: ["sync:client-too-old", "page:client-too-old"],
    record: { status: broken("unsupported-version") },
  },
  {
    id: "wrong-server",
    path: "/",
    shows: ["sync:wrong-server", "page:wrong-server"],
    record: { status: broken("server-identity-changed") },
  },
  {
    id: "device-removed",
    path: "/",
    shows: ["sync:device-removed", "page:device-removed"],
    record: { status: { ...locked, lockCode: "device-removed" } },
  },
  { id: "security", path: "/security", shows: ["screen:security"], record: none },
  { id: "security-360", path: "/security", shows: [], record: none, width: 360 },
  { id: "about-vaults", path: "/about-vaults", shows: ["screen:about-vaults"], record: none },
]
