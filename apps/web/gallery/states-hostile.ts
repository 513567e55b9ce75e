import { ok } from "@keyferry/base"
import { kinds } from "@keyferry/items"
import type { ItemSummary, ItemView } from "@keyferry/sdk"

import * as f from "./fixtures.ts"
import type { GalleryState } from "./gallery-state.ts"

/** What somebody may have put into any field of any device, and what must come out as those very letters. */
export const HOSTILE: readonly string[] = [
  "<script>window.__hostile = 1</script>",
  '<img src=x onerror="window.__hostile = 1">',
  '<svg onload="window.__hostile = 1"><a href="javascript:window.__hostile=1">x</a></svg>',
  "javascript:window.__hostile=1",
  "data:text/html,<script>window.__hostile=1</script>",
  "{{constructor.constructor('window.__hostile=1')()}}",
  "${window.__hostile=1}",
  "\u202egnp.tset\u202c and \u2066isolated\u2069",
  "\u0000\u0007bell\u001b[31mred",
  "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034dA\u036b\u0357\u0334\u0362\u0335\u031c\u0330\u0354L",
  "{name, plural, other {#}} '{'",
  "A very long name ".repeat(65_536),
]

const hostileItems: readonly ItemSummary[] = HOSTILE.map((text, at) => ({
  ...f.anItem,
  kind: f.items[at % f.items.length]?.kind ?? "note",
  id: `itm_${String(at).padStart(26, "h")}`,
  title: text,
  summary: text,
  tags: [text.slice(0, 200)],
}))

const hostileDevices = HOSTILE.map((text, at) =>
  f.device({
    id: `dev_h${at}`,
    name: text,
    platform: text,
    isThis: at === 0,
    ...(at === 1 ? { state: "pending" } : {}),
  }),
)

const hostile = {
  status: {
    ...f.synced,
    account: f.account({
      address: "<b>ada</b>@example.com",
      deviceName: HOSTILE[1] ?? "",
      server: "https://keys.example.com",
    }),
    sync: f.syncUp({ detail: HOSTILE[0] ?? "", state: "refused" as const, code: "clock-skew" as const }),
  },
  items: hostileItems,
  devices: hostileDevices,
  rotation: hostileItems.map((item) => ({
    itemId: item.id,
    kind: item.kind,
    title: item.title,
    harm: "withdraws" as const,
    why: item.title,
  })),
  bin: hostileItems,
}

/** Each field of each kind, and fields of a person's own making, with a text of the corpus each; longer ones as long as an item may be. */
const hostileViews: readonly ItemView[] = kinds.map((kind, at) => {
  const text = (n: number): string => (HOSTILE[(at + n) % HOSTILE.length] ?? "").slice(0, 60_000)
  return {
    ...f.anItem,
    id: `itm_${String(at).padStart(26, "k")}`,
    kind: kind.kind,
    title: text(0),
    summary: text(1),
    tags: HOSTILE.map((tag) => tag.slice(0, 200)),
    conflicts: 1,
    createdAtMs: f.NOW_MS,
    fields: [
      ...kind.fields.map((field, n) => ({ name: field.name, value: text(n), secret: field.secret })),
      ...HOSTILE.slice(0, -1).map((name, n) => ({ name, value: text(n), secret: n % 2 === 1 })),
    ],
    alternatives: kind.fields.map((field, n) => ({
      field: field.name,
      value: text(n + 1),
      deviceId: "dev_h2",
      rev: 3,
    })),
  }
})

const withFields = {
  ...hostile,
  items: hostileViews,
  over: {
    get: async (id: string) => ok(hostileViews.find((view) => view.id === id) ?? hostileViews[0] ?? neverView()),
    history: async (id: string) =>
      ok(
        hostileViews
          .filter((view) => view.id === id)
          .flatMap(({ title, fields }) => [
            { rev: 1, atMs: f.NOW_MS, deviceId: "dev_h1", title, fields: fields.toReversed() },
            { rev: 2, atMs: f.NOW_MS, deviceId: "dev_h3", title, fields },
          ]),
      ),
    accountLog: async () =>
      ok(
        HOSTILE.map((text) => ({
          atMs: f.NOW_MS,
          kind: text.slice(0, 200),
          deviceId: "dev_h2",
          detail: text.slice(0, 2000),
        })),
      ),
    passkeys: async () =>
      ok(f.passkeys.map((passkey, n) => ({ ...passkey, label: HOSTILE[n] ?? "", address: HOSTILE[n + 3] ?? "" }))),
    address: async () => ok({ address: HOSTILE[4] ?? "", waiting: true }),
    signUp: async () => ok({ ...f.kit, address: HOSTILE[0] ?? "", server: HOSTILE[1] ?? "" }),
  },
} as const
const neverView = (): never => {
  throw new Error("there is no kind at all")
}

const enrolling = {
  status: {
    ...f.none,
    enrolment: f.enrolment({ step: "confirm", code: "481902", mail: "queued", mailedTo: HOSTILE[1] ?? "" }),
  },
  items: [],
}

const pages = [
  "/",
  "/devices",
  "/devices/approve/dev_h1",
  "/activity",
  "/bin",
  "/replace?device=%3Cb%3Ex",
  "/settings/general",
  "/settings/accounts/credentials",
  "/settings/accounts/sync",
  "/settings/account/synchronization",
  "/settings/copies",
  "/sign-out",
  "/turn-on-sync",
]
/** Pages that show what only the second record has. */
const fieldPages = ["/conflicts", "/activity", "/settings/sign-in", "/settings/general"]

export const HOSTILE_STATES: readonly GalleryState[] = [
  ...pages.map((path): GalleryState => ({
    id: `hostile${path.replaceAll(/[^a-z]+/g, "-")}`,
    path,
    shows: [],
    record: hostile,
  })),
  ...hostileItems.map((item, at): GalleryState => ({
    id: `hostile-item-${at}`,
    path: `/item/${item.id}`,
    shows: [],
    record: hostile,
  })),
  ...hostileViews.flatMap(({ id, kind }): readonly GalleryState[] =>
    ["", "/edit", "/history"].map((page) => ({
      id: `hostile-${kind}${page.replace("/", "-")}`,
      path: `/item/${id}${page}`,
      shows: [],
      record: withFields,
    })),
  ),
  ...fieldPages.map((path): GalleryState => ({
    id: `hostile-fields${path.replaceAll(/[^a-z]+/g, "-")}`,
    path,
    shows: [],
    record: withFields,
  })),
  { id: "hostile-enrolment", path: "/", shows: [], record: enrolling },
  {
    id: "hostile-search",
    path: "/",
    shows: [],
    record: hostile,
    steps: [{ fill: "Filter this list", text: `${HOSTILE[1] ?? ""} and more` }],
  },
  {
    id: "hostile-palette",
    path: "/",
    shows: [],
    record: hostile,
    steps: [{ press: "Control+k" }, { fill: "Search or run a command", text: "<" }],
  },
]
